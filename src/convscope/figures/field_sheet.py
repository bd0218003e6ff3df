"""Sheets of effective receptive fields, overlaid on an image, drawn by Pillow because a run draws many of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from convscope.figures.contact_sheet import Tile, contact_sheet
from convscope.figures.map_images import map_image, overlay

SIDE = 320  # pixels
BLUE = (0, 114, 178)

Box = tuple[float, float, float, float]
"""Top, left, height and width in pixels."""


class Panel(NamedTuple):
    """One heat map of a sheet.

    Attributes:
        title: Text above the heat map.
        gradient: Gradient magnitudes, (H, W), not negative.
        image: Image under the heat map, uint8 (H, W, 1 or 3); None for the heat map alone.
        box: Theoretical receptive field, which may reach beyond the image; None for no frame.
    """

    title: str
    gradient: np.ndarray
    image: np.ndarray | None = None
    box: Box | None = None


def field_sheet(panels: Sequence[Panel], heading: str = "") -> np.ndarray:
    """Return heat maps side by side, with the theoretical fields as frames, uint8 (height, width, 3)."""
    return contact_sheet([[Tile(_draw(panel), panel.title) for panel in panels]], heading=heading, side=SIDE)


def _draw(panel: Panel) -> np.ndarray:
    from PIL import Image, ImageDraw

    # The square root makes the flanks visible, where a Gaussian falls too fast to be seen.
    shade = np.sqrt(panel.gradient / max(float(panel.gradient.max()), 1e-30))
    pixels = map_image(shade) if panel.image is None else overlay(panel.image, shade)
    scale = SIDE / max(pixels.shape[:2])
    size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
    drawn = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
    if panel.box is not None:
        top, left, height, width = (scale * value for value in panel.box)
        corners = (max(left, 0), max(top, 0), min(left + width, size[0]) - 1, min(top + height, size[1]) - 1)
        ImageDraw.Draw(drawn).rectangle(corners, outline=BLUE, width=3)
    return np.asarray(drawn)
