"""The 1,797 handwritten digits of 8×8 pixels that are part of scikit-learn (UCI, Alpaydin and Kaynak 1998)."""

import functools

import numpy as np

from convscope.data.images.image_source import ArraySplit, ImageSource
from convscope.data.stratification import stratified_split

CLASSES = tuple("0123456789")
LEVELS = 16  # the largest value of a pixel, which is a count of dots from 0 to 16


def digits(seed: int = 0) -> ImageSource:
    """Return the digits, grey: 70% for training and 15% each for validation and testing, stratified.

    Args:
        seed: Determines which digits are in which split.
    """
    _, labels = _load()
    rows_of_splits = stratified_split(labels, [0.15, 0.15], seed)
    splits = {
        name: ArraySplit(_images, (8, 8, 1), rows, labels[rows], "digits", "scikit-learn digits")
        for name, rows in zip(("train", "validation", "test"), rows_of_splits, strict=True)
    }
    return ImageSource("digits", "package", CLASSES, 1, splits)


@functools.cache
def _load() -> tuple[np.ndarray, np.ndarray]:
    """Return all images (N, 8, 8, 1) uint8 and their labels (N,) int64."""
    from sklearn.datasets import load_digits

    loaded = load_digits()
    images = np.round(loaded.images * (255 / LEVELS)).astype(np.uint8)
    return images[..., None], loaded.target.astype(np.int64)


def _images() -> np.ndarray:
    return _load()[0]
