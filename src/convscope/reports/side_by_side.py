"""Compares the saliency of runs on the same images, in columns cut out of the saliency maps that each run has drawn."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from convscope.figures.contact_sheet import BELOW_TITLE, GAP, LINE, SIDE
from convscope.reports.inline_images import InlineImage, inline_image

if TYPE_CHECKING:
    from PIL.Image import Image

MAPS = "saliency/maps.png"  # in a run's media/: a row per image, with the image, then map and overlay of each method
LINES = 2  # lines of text above a tile
OVERLAY = 2  # column of the overlay of the first method
MAX_RUNS = 8
STEP = SIDE + GAP
TITLE = LINES * LINE + BELOW_TITLE
ROW = STEP + TITLE
TOP = LINE + GAP  # height of the heading


@dataclass(frozen=True)
class TileColumn:
    """A column of tiles, one for each image.

    Attributes:
        label: Label of the run; empty for the images themselves.
        image: The column as one image.
    """

    label: str
    image: InlineImage


def compared_images(sheets: Sequence[tuple[str, Path, str]]) -> list[list[TileColumn]]:
    """Return for each set of images a column of the images, then one of answers and overlays for each run.

    Args:
        sheets: Label, path of ``saliency/maps.png`` and data of each run, best first. Runs on the same data are taken
            to show the same images. Files of another layout are left out, and so are sets with only one run.
    """
    from PIL import Image

    sets: dict[tuple[str, int], list[TileColumn]] = {}
    for label, path, data in sheets:
        with Image.open(path) as opened:
            sheet = opened.convert("RGB")
        rows, rest = divmod(sheet.height - GAP - TOP, ROW)
        if rest or sheet.width < GAP + (OVERLAY + 1) * STEP:
            continue
        columns = sets.setdefault((data, rows), [])
        if not columns:
            columns.append(TileColumn("", _webp("the images", _image_column(sheet, rows))))
        if len(columns) <= MAX_RUNS:
            columns.append(TileColumn(label, _webp(label, _overlay_column(sheet, rows))))
    return [columns for columns in sets.values() if len(columns) > 2]


def _image_column(sheet: "Image", rows: int) -> "Image":
    """Return the column of images without the run's answers: only the first of the two lines above a tile is kept."""
    column = sheet.crop((GAP // 2, TOP, GAP // 2 + STEP, sheet.height))
    for row in range(rows):
        top = GAP + row * ROW + LINE
        column.paste("white", (0, top, STEP, top + LINE - 3))
    return column


def _overlay_column(sheet: "Image", rows: int) -> "Image":
    """Return the column of images with its captions, but with the overlays in the place of the images."""
    column = sheet.crop((GAP // 2, TOP, GAP // 2 + STEP, sheet.height))
    for row in range(rows):
        top = TOP + GAP + row * ROW + TITLE
        left = GAP + OVERLAY * STEP
        column.paste(sheet.crop((left, top, left + SIDE, top + SIDE)), (GAP - GAP // 2, top - TOP))
    return column


def _webp(name: str, image: "Image") -> InlineImage:
    """Return an image as a WebP data URL."""
    content = io.BytesIO()
    image.save(content, format="WEBP", quality=82)
    return inline_image(name, content.getvalue(), "webp")
