"""The image store on disk: the pixels of all images in one file, and where each image lies in it.

``<cache>/images/<key>/`` holds ``pixels.bin`` (uint8, image after image, each (H, W, C)),
``places.npy`` (int64, a row an image: its index in the split, offset, height, width) and ``entry.json``
(what the other two must be, their checksums, and the images that could not be read). It is filled in a folder of
another name and renamed: it is there whole, or not at all.
"""

import io
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from convscope.checksums import (
    DESCRIPTION,
    ChecksummedFile,
    DamagedError,
    read_description,
    read_file,
    verify_file,
    write_description,
    write_file,
)
from convscope.data.images.image_source import BadImageError
from convscope.entry_use import EntryUse, use_entry
from convscope.mapped import MappedArray

PIXELS, PLACES = "pixels.bin", "places.npy"


@dataclass(frozen=True)
class Contents:
    """Images one after the other, and those that could not be read.

    ``pixels`` (bytes,) uint8; ``places`` (M, 4) int64 of index in the split, offset, height and width;
    ``directory`` is the entry, which is kept by ``use``; None where they are in memory.
    """

    pixels: np.ndarray
    places: np.ndarray
    channels: int
    bad: tuple[BadImageError, ...] = ()
    directory: Path | None = None
    mapped: MappedArray | None = None
    use: EntryUse | None = None

    def was_read(self, size: int) -> None:
        """Note that so many bytes of ``pixels`` were read."""
        if self.mapped is not None:
            self.mapped.was_read(size)
        if self.use is not None:
            self.use.touch()


def _from_disk(
    directory: Path, size: int, places: np.ndarray, channels: int, bad: tuple[BadImageError, ...]
) -> Contents:
    mapped = MappedArray(directory / PIXELS, np.uint8, (size,))
    return Contents(mapped.array, places, channels, bad, directory, mapped)


def collect(
    images: Iterable[np.ndarray | BadImageError], channels: int, directory: Path | None
) -> tuple[Contents, OSError | None]:
    """Take in ``images``, (H, W, ``channels``) uint8 each: into an entry at ``directory``, or into memory.

    Where the directory cannot be written (any more), all goes to memory, and the error is returned too.
    What was written by then is read back, so that no image is decoded twice.
    """
    sink: _File | _Memory
    failure = None
    try:
        sink = _Memory([]) if directory is None else _File(directory)
    except OSError as error:
        sink, failure = _Memory([]), error
    bad: list[BadImageError] = []
    places: list[tuple[int, ...]] = []
    size = 0
    for index, image in enumerate(images):
        if isinstance(image, BadImageError):
            bad.append(image)
            continue
        block = np.ascontiguousarray(image).reshape(-1)
        try:
            sink.append(block)
        except OSError as error:
            sink, failure = _Memory(sink.read_back()), error
            sink.append(block)
        places.append((index, size, *image.shape[:2]))
        size += block.size
    table = np.array(places, dtype=np.int64).reshape(-1, 4)
    try:
        return sink.finish(table, channels, tuple(bad)), failure
    except OSError as error:
        return _Memory(sink.read_back()).finish(table, channels, tuple(bad)), error


class _Memory:
    def __init__(self, blocks: list[np.ndarray]) -> None:
        self._blocks = blocks

    def append(self, block: np.ndarray) -> None:
        self._blocks.append(block)

    def read_back(self) -> list[np.ndarray]:
        return self._blocks

    def finish(self, places: np.ndarray, channels: int, bad: tuple[BadImageError, ...]) -> Contents:
        pixels = np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.uint8)
        return Contents(pixels, places, channels, bad)


class _File:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._size = 0
        self._file = ChecksummedFile(directory / PIXELS)

    def append(self, block: np.ndarray) -> None:
        self._file.write(block.data)
        self._size += block.size

    def read_back(self) -> list[np.ndarray]:
        self._file.close()
        return [np.fromfile(self._directory / PIXELS, np.uint8, self._size)]

    def finish(self, places: np.ndarray, channels: int, bad: tuple[BadImageError, ...]) -> Contents:
        table = io.BytesIO()
        np.save(table, places)
        fields = {
            "channels": channels,
            "bytes": self._size,
            "images": len(places),
            "bad": [[image.name, image.reason] for image in bad],
            "checksums": {
                PIXELS: self._file.finish(),
                PLACES: write_file(self._directory / PLACES, table.getbuffer()),
            },
        }
        write_description(self._directory, fields)
        return _from_disk(self._directory, self._size, places, channels, bad)


def read_entry(directory: Path, images: int, check: bool = True) -> Contents | None:
    """Open the entry at ``directory`` for a split of so many ``images``; None where there is none.

    Raises:
        DamagedError: It is not what was written; without ``check`` the pixels are not read over.
    """
    if not os.path.lexists(directory):
        return None
    use = use_entry(directory)
    fields = read_description(directory)
    try:
        bad = tuple(BadImageError(name, reason) for name, reason in fields["bad"])
        checksums, size, channels = fields["checksums"], fields["bytes"], fields["channels"]
        places = np.load(io.BytesIO(read_file(directory / PLACES, checksums[PLACES])), allow_pickle=False)
        fits = (
            places.shape == (fields["images"], 4)
            and len(places) + len(bad) == images
            and size == int((places[:, 2] * places[:, 3]).sum()) * channels
        )
        if not fits:
            raise DamagedError(f"{DESCRIPTION}: is of other images")
        if check:
            verify_file(directory / PIXELS, size, checksums[PIXELS])
        return replace(_from_disk(directory, size, places, channels, bad), use=use)
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise DamagedError(f"{DESCRIPTION}: does not fit the other files") from error
