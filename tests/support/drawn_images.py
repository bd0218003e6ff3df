"""Random images, each determined by its number."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

MakeFolder = Callable[..., Path]


def image(number: int, height: int = 12, width: int = 16) -> np.ndarray:
    """Return the random image ``number``: (height, width, 3) uint8."""
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
