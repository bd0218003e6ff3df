"""Contact sheets: many images in one, with text above each, drawn by Pillow in the time of one matplotlib axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

SIDE = 160  # pixels of a tile
GAP = 8
TEXT = 13  # font size in pixels
LINE = 17  # height of a line of text in pixels
BELOW_TITLE = 4  # pixels between title and frame; with fewer the frame cuts the letters
INK, GREY, RULE = (31, 41, 55), (107, 114, 128), (229, 231, 235)
RED, GREEN = (213, 94, 0), (0, 158, 115)


@dataclass(frozen=True)
class Tile:
    """One image of a contact sheet.

    Attributes:
        pixels: uint8 of shape (H, W, 3), (H, W, 1) or (H, W).
        title: Text above the image, of one or several lines.
        frame: RGB colour of the frame.
    """

    pixels: np.ndarray
    title: str = ""
    frame: tuple[int, int, int] = RULE


def contact_sheet(rows: Sequence[Sequence[Tile]], *, heading: str = "", side: int = SIDE) -> np.ndarray:
    """Return an image with all tiles, uint8 (height, width, 3).

    Args:
        rows: The tiles of each row.
        heading: Text above all tiles.
        side: Side of each tile in pixels. Images are scaled to it; those under 64 pixels by nearest neighbour.
    """
    from PIL import Image, ImageDraw

    columns = max((len(row) for row in rows), default=0)
    lines = [max((tile.title.count("\n") + 1 if tile.title else 0 for tile in row), default=0) for row in rows]
    top = LINE + GAP if heading else 0
    width = max(GAP + columns * (side + GAP), GAP * 2 + round(_font().getlength(heading)))
    title_heights = [LINE * count + BELOW_TITLE * bool(count) for count in lines]
    height = GAP + top + sum(side + GAP + titled for titled in title_heights)
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, GAP), heading, INK, _font())
    y = GAP + top
    for row, title_height in zip(rows, title_heights, strict=True):
        for number, tile in enumerate(row):
            x = GAP + number * (side + GAP)
            for line, text in enumerate(tile.title.split("\n")):
                draw.text((x, y + line * LINE), _fit_text(text, side), INK if line == 0 else GREY, _font())
            below = y + title_height
            draw.rectangle((x - 2, below - 2, x + side + 1, below + side + 1), outline=tile.frame, width=2)
            sheet.paste(_scaled(tile.pixels, side), (x, below))
        y += side + GAP + title_height
    return np.asarray(sheet)


def _scaled(pixels: np.ndarray, side: int) -> "Image.Image":
    from PIL import Image

    pixels = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    image = Image.fromarray(pixels).convert("RGB")
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = max(image.size) < 64
    image = image.resize(size, Image.Resampling.NEAREST if small else Image.Resampling.BILINEAR)
    if image.size == (side, side):
        return image
    square = Image.new("RGB", (side, side), "white")
    square.paste(image, ((side - size[0]) // 2, (side - size[1]) // 2))
    return square


def _fit_text(text: str, width: int) -> str:
    if _font().getlength(text) <= width:
        return text
    while text and _font().getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


@cache
def _font() -> Any:
    """Return matplotlib's font, which covers more alphabets than Pillow's own."""
    from pathlib import Path

    import matplotlib
    from PIL import ImageFont

    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(file), TEXT) if file.is_file() else ImageFont.load_default(TEXT)
