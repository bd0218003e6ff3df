"""The interface of all sources of images: labelled splits that are read image by image."""

import copy
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from typing_extensions import override

SPLITS = ("train", "validation", "test")


class BadImageError(Exception):
    """An image cannot be read.

    Attributes:
        name: The image.
        reason: Why it cannot be read.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class ImageSplit(ABC):
    """Labelled images in a fixed order.

    Attributes:
        labels: (N,) int64, indices of the classes of the source.
        names: What a table of predictions calls each image: its path relative to the data folder, or its position in
            the data set ("test/17").
        key: Identifies the content: two splits with the same key hold the same images in the same order.
        holds_gil: Whether reading an image holds the interpreter lock, so that only processes, not threads, read
            several images at once.
    """

    labels: np.ndarray
    names: Sequence[str]
    key: str
    holds_gil: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def read(self, index: int, min_size: int | None = None) -> np.ndarray:
        """Return image ``index``, (H, W, C) uint8 with 1 (grey) or 3 (RGB) channels, which must not be written to.

        Args:
            index: Position of the image in the split.
            min_size: If given, the image may be returned at a smaller size, but with no side under so many pixels: a
                large JPEG is decoded several times faster at an eighth of its size.

        Raises:
            BadImageError: The image cannot be decoded.
        """

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """The shape (H, W, C) of every image if all are in memory or quickly read; otherwise None."""
        return None

    def pixels(self) -> np.ndarray:
        """Return all images, (N, H, W, C) uint8; only if ``shape`` is not None."""
        raise NotImplementedError


class ArraySplit(ImageSplit):
    """Some rows of an array of images, which is loaded when the first image is read.

    Args:
        load: Returns the array, (M, H, W, C) uint8. It is called at every read, and should keep the array.
        shape: The shape (H, W, C) of an image.
        rows: The rows (N,) of the split.
        labels: The labels (N,) of these rows.
        name: Name of the split; the image in row r is called ``<name>/r``.
        key: Identifies the content of the array.
    """

    def __init__(
        self,
        load: Callable[[], np.ndarray],
        shape: tuple[int, int, int],
        rows: np.ndarray,
        labels: np.ndarray,
        name: str,
        key: str,
    ) -> None:
        self.labels = np.asarray(labels, dtype=np.int64)
        self.names = [f"{name}/{row}" for row in rows.tolist()]
        self.key = content_key(key, rows)
        self._load = load
        self._rows = rows
        self._shape = shape

    @override
    def read(self, index: int, min_size: int | None = None) -> np.ndarray:
        return self._load()[self._rows[index]]

    @property
    @override
    def shape(self) -> tuple[int, int, int]:
        return self._shape

    @override
    def pixels(self) -> np.ndarray:
        return self._load()[self._rows]


@dataclass(frozen=True)
class ImageSource:
    """An image data set.

    Attributes:
        name: Name of the data set.
        source: Where the images come from: "folder", "hub", "package" or "generated".
        classes: Names of the classes, in the order of the labels.
        channels: Number of channels of the images themselves, 1 or 3.
        splits: "train", "validation" and "test"; a data set for evaluation has only "test".
        warnings: Sentences about what differs from the request, such as a fallback or a split that had to be cut. The
            command that loads the data shows them.
    """

    name: str
    source: str
    classes: tuple[str, ...]
    channels: int
    splits: Mapping[str, ImageSplit]
    warnings: tuple[str, ...] = ()

    @property
    def sizes(self) -> dict[str, int]:
        """Number of images of each split."""
        return {name: len(split) for name, split in self.splits.items()}

    def with_classes(self, classes: Sequence[str], renamed: Mapping[str, str]) -> "ImageSource":
        """Return the same images with other classes.

        Args:
            classes: Names of the new classes, in the order of their labels.
            renamed: Maps the name of each present class to that of a new one.
        """
        new_label = np.array([classes.index(renamed[name]) for name in self.classes], dtype=np.int64)
        splits = {name: copy.copy(split) for name, split in self.splits.items()}
        for split in splits.values():
            split.labels = new_label[split.labels]
        return replace(self, classes=tuple(classes), splits=splits)


def content_key(*parts: str | int | np.ndarray) -> str:
    """Return a hash of ``parts``, 32 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.tobytes() if isinstance(part, np.ndarray) else str(part).encode("utf-8", "surrogateescape")
        digest.update(f"{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()[:32]
