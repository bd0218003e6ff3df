"""The 1,797 handwritten digits of 8×8 pixels that scikit-learn carries (UCI, Alpaydin and Kaynak 1998)."""

import functools

import numpy as np

from convscope.data.images.image_source import ArraySplit, ImageSource
from convscope.data.stratification import stratified_split

CLASSES = tuple("0123456789")
LEVELS = 16  # the images are counts of 0 to 16 dots


def digits(seed: int = 0) -> ImageSource:
    """The digits, grey, 70% for training and 15% each for validation and testing: stratified by ``seed``."""
    _, labels = _load()
    cut = stratified_split(labels, [0.15, 0.15], seed)
    splits = {
        name: ArraySplit(_images, (8, 8, 1), rows, labels[rows], "digits", "scikit-learn digits")
        for name, rows in zip(("train", "validation", "test"), cut, strict=True)
    }
    return ImageSource("digits", "package", CLASSES, 1, splits)


@functools.cache
def _load() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    loaded = load_digits()
    images = np.round(loaded.images * (255 / LEVELS)).astype(np.uint8)
    return images[..., None], loaded.target.astype(np.int64)


def _images() -> np.ndarray:
    return _load()[0]
