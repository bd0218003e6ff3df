"""Where the runs of a sweep look in the same images: columns cut out of what each run has drawn for itself."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from convscope.figures.contact_sheet import BELOW_TITLE, GAP, LINE, SIDE
from convscope.reports.inline_images import InlineImage, inline_image

if TYPE_CHECKING:
    from PIL.Image import Image

MAPS = "saliency/maps.png"  # below a run's media/: a row an image; image, map and overlay of each method
LINES = 2  # of text above a tile
OVERLAY = 2  # its column, of the first method
MOST_RUNS = 8
STEP = SIDE + GAP
TITLE = LINES * LINE + BELOW_TITLE
ROW = STEP + TITLE
TOP = LINE + GAP  # of the heading


@dataclass(frozen=True)
class TileColumn:
    """A column of tiles.

    Attributes:
        label: The run's; none for the images themselves.
        image: The column.
    """

    label: str
    image: InlineImage


def compared_images(sheets: Sequence[tuple[str, Path, str]]) -> list[list[TileColumn]]:
    """For each set of images the images, then a column a run: what it answered, and where it looked.

    Args:
        sheets: Label, ``saliency/maps.png`` and data of each run, best first. Runs on the same data are shown the same
            images. What is no such sheet is left out, and so are sets that only one run has looked at.
    """
    from PIL import Image

    sets: dict[tuple[str, int], list[TileColumn]] = {}
    for label, path, data in sheets:
        with Image.open(path) as opened:
            sheet = opened.convert("RGB")
        rows, rest = divmod(sheet.height - GAP - TOP, ROW)
        if rest or sheet.width < GAP + (OVERLAY + 1) * STEP:
            continue
        shown = sets.setdefault((data, rows), [])
        if not shown:
            shown.append(TileColumn("", _webp("the images", _images(sheet, rows))))
        if len(shown) <= MOST_RUNS:
            shown.append(TileColumn(label, _webp(label, _answers(sheet, rows))))
    return [shown for shown in sets.values() if len(shown) > 2]


def _images(sheet: "Image", rows: int) -> "Image":
    """The first column, without what the run answered: of the two lines above a tile, only the first."""
    column = sheet.crop((GAP // 2, TOP, GAP // 2 + STEP, sheet.height))
    for row in range(rows):
        top = GAP + row * ROW + LINE
        column.paste("white", (0, top, STEP, top + LINE - 3))
    return column


def _answers(sheet: "Image", rows: int) -> "Image":
    """The first column, with the overlays in the place of the images."""
    column = sheet.crop((GAP // 2, TOP, GAP // 2 + STEP, sheet.height))
    for row in range(rows):
        top = TOP + GAP + row * ROW + TITLE
        left = GAP + OVERLAY * STEP
        column.paste(sheet.crop((left, top, left + SIDE, top + SIDE)), (GAP - GAP // 2, top - TOP))
    return column


def _webp(name: str, image: "Image") -> InlineImage:
    content = io.BytesIO()
    image.save(content, format="WEBP", quality=82)
    return inline_image(name, content.getvalue(), "webp")
