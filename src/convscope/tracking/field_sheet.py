"""An effective receptive field over a picture: drawn by Pillow, many times in a run."""

import numpy as np

from convscope.tracking.contact_sheet import Tile, contact_sheet
from convscope.tracking.map_pictures import map_picture, overlay

SIDE = 320  # pixels
BLUE = (0, 114, 178)


def field_sheet(
    title: str,
    gradient: np.ndarray,
    picture: np.ndarray | None = None,
    box: tuple[float, float, float, float] | None = None,
) -> np.ndarray:
    """A heat map with the theoretical field as a frame, uint8 (height, width, 3).

    Args:
        title: Text above it.
        gradient: (H, W), not negative.
        picture: What it lies over, uint8 (H, W, 1 or 3).
        box: Top, left, height and width of the theoretical field in pixels, which may reach beyond the picture.
    """
    from PIL import Image, ImageDraw

    # The root shows the flanks, which the square of a Gaussian's fall hides.
    shade = np.sqrt(gradient / max(float(gradient.max()), 1e-30))
    pixels = map_picture(shade) if picture is None else overlay(picture, shade)
    scale = SIDE / max(pixels.shape[:2])
    size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
    drawn = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
    if box is not None:
        top, left, height, width = (scale * value for value in box)
        corners = (max(left, 0), max(top, 0), min(left + width, size[0]) - 1, min(top + height, size[1]) - 1)
        ImageDraw.Draw(drawn).rectangle(corners, outline=BLUE, width=3)
    return contact_sheet([[Tile(np.asarray(drawn), title)]], side=SIDE)
