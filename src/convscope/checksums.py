"""Checksums of what is kept on disk: written along with it, and compared when it is opened.

An entry of the cache is a folder of files and a description, ``entry.json``, written last. The description holds the
checksums of the other files and one of its own, so that no damage to any of them goes unnoticed.
"""

import json
import logging
import os
import secrets
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

DESCRIPTION = "entry.json"
STATES = "checked.json"  # what the file system said of each file above `CHECKED` when it was known to be whole
PIECE = 2**22  # bytes that a checksum covers
CHECKED = 2**30  # bytes that are read at every opening: of a larger file that nobody touched, every n-th piece

T = TypeVar("T")

log = logging.getLogger(__name__)


class DamagedError(Exception):
    """An entry is not what was written; the message names the file and says what is wrong."""


def open_entry(read: Callable[[], T | None]) -> tuple[T | None, DamagedError | None]:
    """Call ``read``; return the entry that it opens, None where there is none, and what is wrong with a damaged one."""
    try:
        return read(), None
    except DamagedError as error:
        return None, error


def damage_warnings(entry: Path, damage: DamagedError | None) -> list[str]:
    """Return a sentence for the user about a damaged ``entry``, or none."""
    return [] if damage is None else [f"the cache entry {entry} is damaged ({damage}): it is made again"]


class ChecksummedFile:
    """A file that is written from front to back, with a checksum of each piece.

    Raises ``OSError``, as a file does, where there is no room or no permission.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb", buffering=0)
        self._checksums: list[int] = []
        self._checksum, self._room = 0, PIECE

    def write(self, data: memoryview) -> None:
        """Append the bytes of ``data``."""
        rest = data.cast("B") if data.nbytes else memoryview(b"")
        while rest:  # a write to a disk that is filling up may be a short one
            done = self._file.write(rest[: self._room])
            self._checksum = zlib.crc32(rest[:done], self._checksum)
            self._room -= done
            if self._room == 0:
                self._checksums.append(self._checksum)
                self._checksum, self._room = 0, PIECE
            rest = rest[done:]

    def finish(self) -> list[int]:
        """Bring the file to the disk, close it, and return the checksums of its pieces."""
        os.fsync(self._file.fileno())
        self.close()
        if self._room < PIECE:
            self._checksums.append(self._checksum)
        if len(self._checksums) * PIECE > CHECKED:
            _note_state(self._path)
        return self._checksums

    def close(self) -> None:
        """Close the file, finished or not."""
        self._file.close()


def write_file(path: Path, data: memoryview) -> list[int]:
    """Write ``data`` to ``path`` and return its checksums.

    Raises:
        OSError: There is no room, or no permission.
    """
    file = ChecksummedFile(path)
    try:
        file.write(data)
        return file.finish()
    finally:
        file.close()


def read_file(path: Path, checksums: Sequence[int]) -> bytes:
    """Read the whole of a small file.

    Raises:
        DamagedError: It cannot be read, or is not what was written.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DamagedError(f"{path.name}: {error.strerror}") from error
    if [zlib.crc32(data[start : start + PIECE]) for start in range(0, len(data), PIECE)] != list(checksums):
        raise DamagedError(f"{path.name}: not what was written")
    return data


def verify_file(path: Path, size: int, checksums: Sequence[int]) -> None:
    """Compare a file with its ``size`` in bytes and its ``checksums``.

    All of a file up to `CHECKED` bytes is read. All of a larger one is read where the file system says that it was
    changed since it was known to be whole (it was written to, copied or restored); else about `CHECKED` bytes of it, at
    even distances, others each time.

    Raises:
        DamagedError: It cannot be read, or is not what was written.
    """
    try:
        found = path.stat().st_size
        if found != size or len(checksums) != -(-size // PIECE):
            raise DamagedError(f"{path.name}: {found:,} bytes instead of {size:,}")
        large = size > CHECKED
        whole = not large or not _is_unchanged(path)
        if whole and large:
            log.info("%s was changed since it was written: reading all of its %.0f GiB", path, size / 2**30)
        step = 1 if whole else -(-size // CHECKED)
        with path.open("rb", buffering=0) as file:
            for place in range(secrets.randbelow(step), len(checksums), step):
                file.seek(place * PIECE)
                if zlib.crc32(file.read(PIECE)) != checksums[place]:
                    raise DamagedError(f"{path.name}: not what was written")
        if whole and large:
            _note_state(path)
    except OSError as error:
        raise DamagedError(f"{path.name}: {error.strerror}") from error


def write_description(folder: Path, fields: Mapping[str, Any]) -> None:
    """Write the description of an entry: ``fields`` of JSON's types, with a checksum.

    Raises:
        OSError: There is no room, or no permission.
    """
    content = {"checksum": _checksum(fields), **fields}
    (folder / DESCRIPTION).write_text(json.dumps(content), encoding="utf-8")


def read_description(folder: Path) -> dict[str, Any]:
    """Read the description of an entry, without its checksum.

    Raises:
        DamagedError: There is none, or it is not what was written.
    """
    try:
        fields = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        if isinstance(fields, dict) and fields.pop("checksum", None) == _checksum(fields):
            return fields
    except OSError as error:
        raise DamagedError(f"{DESCRIPTION}: {error.strerror}") from error
    except ValueError:
        pass
    raise DamagedError(f"{DESCRIPTION}: not what was written")


def _checksum(fields: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(fields, sort_keys=True).encode())


def _state(file: Path) -> list[int]:
    status = file.stat()
    # A write that keeps size and time of modification still changes the time of the inode's change.
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _states(folder: Path) -> dict[str, Any]:
    try:
        states = json.loads((folder / STATES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return states if isinstance(states, dict) else {}


def _is_unchanged(file: Path) -> bool:
    return _states(file.parent).get(file.name) == _state(file)


def _note_state(file: Path) -> None:
    """Note that ``file`` is whole; where the folder cannot be written, it is read over the next time too."""
    states = _states(file.parent) | {file.name: _state(file)}
    new = file.parent / f"{STATES}.{secrets.token_hex(4)}"
    with suppress(OSError):
        new.write_text(json.dumps(states), encoding="utf-8")
        new.replace(file.parent / STATES)
