"""The files of an image store: the pixels of all images in one file, and the position of each image in it.

``<cache>/images/<key>/`` holds ``pixels.bin`` (uint8, image after image, each (H, W, C)), ``places.npy`` (int64, a row
for each image: its index in the split, offset, height, width) and ``entry.json`` (sizes and checksums of the other two,
and the images that could not be read). The files are written in a folder of another name, which is then renamed: so an
entry is complete, or does not exist.
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
    """The readable images of a split, one after the other in one array, and those that could not be read.

    Attributes:
        pixels: (bytes,) uint8.
        places: (M, 4) int64: the index in the split, offset in ``pixels``, height and width of each image.
        channels: Number of channels of all images.
        bad: The images that could not be read.
        directory: Folder of the entry; None if the images are in memory.
        mapped: The mapped file of ``pixels``; None if the images are in memory.
        use: Keeps the cache from removing the entry; None if the images are in memory.
    """

    pixels: np.ndarray
    places: np.ndarray
    channels: int
    bad: tuple[BadImageError, ...] = ()
    directory: Path | None = None
    mapped: MappedArray | None = None
    use: EntryUse | None = None

    def record_read(self, size: int) -> None:
        """Record that ``size`` bytes of ``pixels`` were read."""
        if self.mapped is not None:
            self.mapped.record_read(size)
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
    """Collect ``images`` in an entry at ``directory``, or in memory; return them, and the error of writing if any.

    If the directory cannot be written, or no longer, all images are kept in memory. Those written by then are read
    back, so that no image is decoded twice.

    Args:
        images: (H, W, ``channels``) uint8 each; or why an image cannot be read.
        channels: Number of channels of all images.
        directory: Where to write the entry; None for memory.
    """
    sink: _FileSink | _MemorySink
    failure = None
    try:
        sink = _MemorySink([]) if directory is None else _FileSink(directory)
    except OSError as error:
        sink, failure = _MemorySink([]), error
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
            sink, failure = _MemorySink(sink.read_back()), error
            sink.append(block)
        places.append((index, size, *image.shape[:2]))
        size += block.size
    table = np.array(places, dtype=np.int64).reshape(-1, 4)
    try:
        return sink.finish(table, channels, tuple(bad)), failure
    except OSError as error:
        return _MemorySink(sink.read_back()).finish(table, channels, tuple(bad)), error


class _MemorySink:
    """Collects images in memory."""

    def __init__(self, blocks: list[np.ndarray]) -> None:
        self._blocks = blocks

    def append(self, block: np.ndarray) -> None:
        self._blocks.append(block)

    def read_back(self) -> list[np.ndarray]:
        return self._blocks

    def finish(self, places: np.ndarray, channels: int, bad: tuple[BadImageError, ...]) -> Contents:
        pixels = np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.uint8)
        return Contents(pixels, places, channels, bad)


class _FileSink:
    """Collects images in the files of an entry."""

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
    """Open the entry at ``directory``; return None if there is none.

    Args:
        directory: Folder of the entry.
        images: Number of images of the split, the unreadable ones included.
        check: Whether to compare the pixels with their checksum, for which all of them are read.

    Raises:
        DamagedError: The files are not what was written.
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
            raise DamagedError(f"{DESCRIPTION}: does not describe these images")
        if check:
            verify_file(directory / PIXELS, size, checksums[PIXELS])
        return replace(_from_disk(directory, size, places, channels, bad), use=use)
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise DamagedError(f"{DESCRIPTION}: does not fit the other files") from error
