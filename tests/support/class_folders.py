"""Small folders of images, and a training short enough for them."""

from pathlib import Path

import numpy as np
from PIL import Image

SMALL = ("model=lenet5", "data.augmentation=none", "transfer.epochs=1", "logger=csv", "callbacks=none")


def draw(root: Path, counts: dict[str, int], size: int = 20) -> Path:
    """Write class folders of noise images, whose classes differ in brightness, and return ``root``."""
    random = np.random.default_rng(0)
    for place, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 60, (size, size, 3)) + 90 * place
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{number}.png")
    return root
