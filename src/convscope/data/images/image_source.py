"""What every source of images looks like: labelled splits that are read image by image."""

import copy
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

SPLITS = ("train", "validation", "test")


class BadImageError(Exception):
    """An image that cannot be read: which one, and why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class ImageSplit(ABC):
    """Labelled images in a fixed order.

    ``labels`` (N,) int64 index the classes of the source. ``names`` are what a table of predictions calls
    each image: its path relative to the data folder, or its place in the set ("test/17"). ``key`` stands
    for the content: two splits of the same key hold the same images in the same order.
    """

    labels: np.ndarray
    names: Sequence[str]
    key: str
    drawn_by_python: bool = False  # reading holds the interpreter lock: several images at once take processes

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def read(self, index: int, min_size: int | None = None) -> np.ndarray:
        """Image ``index``, (H, W, C) uint8 with 1 (grey) or 3 (RGB) channels; do not write to it.

        Where ``min_size`` is given, the image may come smaller than it is, but with no side under
        ``min_size`` pixels: a large JPEG is decoded several times faster at an eighth of its size.

        Raises ``BadImageError`` where the image cannot be decoded.
        """

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """(H, W, C) of every image where all are in memory (or a short read away), otherwise None."""
        return None

    def pixels(self) -> np.ndarray:
        """All images, (N, H, W, C) uint8; only where ``shape`` is not None."""
        raise NotImplementedError


class ArraySplit(ImageSplit):
    """Some rows of an array of images, which is loaded when the first image is asked for.

    ``load()`` returns (M, H, W, C) uint8 of the ``shape`` (H, W, C), and is called at every read: let it
    keep what it loaded. ``labels`` belong to the ``rows``; an image is called ``<name>/<row>``.
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

    def read(self, index: int, min_size: int | None = None) -> np.ndarray:
        """Image ``index``, (H, W, C) uint8."""
        return self._load()[self._rows[index]]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of every image."""
        return self._shape

    def pixels(self) -> np.ndarray:
        """All images, (N, H, W, C) uint8."""
        return self._load()[self._rows]


@dataclass(frozen=True)
class ImageSource:
    """A data set: its classes and its splits ("train", "validation", "test"; an evaluation set has "test"
    alone).

    ``source`` says where the images came from: "folder", "hub", "package" or "generated". ``channels`` is
    what the images have themselves, 1 or 3. ``warnings`` are sentences about what was not as asked for (a
    fallback, a split that had to be cut): whoever runs shows them.
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
        """The same images labelled by ``classes``; ``renamed`` maps each class of now to one of them."""
        new_label = np.array([classes.index(renamed[name]) for name in self.classes], dtype=np.int64)
        splits = {name: copy.copy(split) for name, split in self.splits.items()}
        for split in splits.values():
            split.labels = new_label[split.labels]
        return replace(self, classes=tuple(classes), splits=splits)


def content_key(*parts: str | int | np.ndarray) -> str:
    """32 hexadecimal digits that stand for ``parts``."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.tobytes() if isinstance(part, np.ndarray) else str(part).encode("utf-8", "surrogateescape")
        digest.update(f"{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()[:32]
