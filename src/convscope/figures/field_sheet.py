"""Effective receptive fields over an image: drawn by Pillow, many times in a run."""

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
    """A heat map: the text above it, its gradient (H, W), not negative, what it lies over, uint8 (H, W, 1 or 3), and
    the theoretical field, which may reach beyond the image."""

    title: str
    gradient: np.ndarray
    image: np.ndarray | None = None
    box: Box | None = None


def field_sheet(panels: Sequence[Panel], heading: str = "") -> np.ndarray:
    """Heat maps side by side, with the theoretical fields as frames, uint8 (height, width, 3)."""
    return contact_sheet([[Tile(_drawn(panel), panel.title) for panel in panels]], heading=heading, side=SIDE)


def _drawn(panel: Panel) -> np.ndarray:
    from PIL import Image, ImageDraw

    # The root shows the flanks, which the square of a Gaussian's fall hides.
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
