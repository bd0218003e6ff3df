"""Checksums of the files of the cache: computed while a file is written, and compared when it is opened.

An entry of the cache is a folder of files and a description, ``entry.json``, which is written last. The description
holds the checksums of the other files and one of its own, so that damage to any of them is detected.
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
STATES_FILE = "checked.json"  # size, times and inode of each file above FULL_CHECK_BYTES when it was last known intact
CHUNK_BYTES = 2**22  # bytes that one checksum covers
# Files up to this size are read completely at every opening; of a larger unchanged file, about this much is sampled.
FULL_CHECK_BYTES = 2**30

T = TypeVar("T")

log = logging.getLogger(__name__)


class DamagedError(Exception):
    """A cache entry differs from what was written; the message names the file and says what is wrong."""


def open_entry(read: Callable[[], T | None]) -> tuple[T | None, DamagedError | None]:
    """Call ``read``; return the entry that it opens or None, and the error if the entry is damaged or None."""
    try:
        return read(), None
    except DamagedError as error:
        return None, error


def damage_warnings(entry: Path, damage: DamagedError | None) -> list[str]:
    """Return a warning about a damaged ``entry`` in a list, or an empty list if ``damage`` is None."""
    return [] if damage is None else [f"the cache entry {entry} is damaged ({damage}): it is made again"]


class ChecksummedFile:
    """Writes a file from front to back, with a checksum of each chunk of ``CHUNK_BYTES``.

    Its methods raise ``OSError``, as those of a file do, if there is no room or no permission.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb", buffering=0)
        self._checksums: list[int] = []
        self._checksum, self._room = 0, CHUNK_BYTES

    def write(self, data: memoryview) -> None:
        """Append the bytes of ``data``."""
        rest = data.cast("B") if data.nbytes else memoryview(b"")
        while rest:  # a write may be short if the disk is nearly full
            written = self._file.write(rest[: self._room])
            self._checksum = zlib.crc32(rest[:written], self._checksum)
            self._room -= written
            if self._room == 0:
                self._checksums.append(self._checksum)
                self._checksum, self._room = 0, CHUNK_BYTES
            rest = rest[written:]

    def finish(self) -> list[int]:
        """Flush the file to the disk, close it, and return the checksums of its chunks."""
        os.fsync(self._file.fileno())
        self.close()
        if self._room < CHUNK_BYTES:
            self._checksums.append(self._checksum)
        if len(self._checksums) * CHUNK_BYTES > FULL_CHECK_BYTES:
            _note_state(self._path)
        return self._checksums

    def close(self) -> None:
        """Close the file, finished or not."""
        self._file.close()


def write_file(path: Path, data: memoryview) -> list[int]:
    """Write ``data`` to ``path`` and return the checksums of its chunks.

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
    """Return the content of a small file, compared with its ``checksums``.

    Raises:
        DamagedError: The file cannot be read, or is not what was written.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DamagedError(f"{path.name}: {error.strerror}") from error
    if [zlib.crc32(data[start : start + CHUNK_BYTES]) for start in range(0, len(data), CHUNK_BYTES)] != list(checksums):
        raise DamagedError(f"{path.name}: not what was written")
    return data


def verify_file(path: Path, size: int, checksums: Sequence[int]) -> None:
    """Compare a file with its ``size`` in bytes and its ``checksums``.

    A file of up to ``FULL_CHECK_BYTES`` is read completely. So is a larger one if the file system says that it has
    changed since it was last known to be intact (it was written to, copied or restored). Of a larger unchanged file,
    about ``FULL_CHECK_BYTES`` are read: every n-th chunk, beginning at a random one each time.

    Raises:
        DamagedError: The file cannot be read, or is not what was written.
    """
    try:
        actual_size = path.stat().st_size
        if actual_size != size or len(checksums) != -(-size // CHUNK_BYTES):
            raise DamagedError(
                f"{path.name}: {actual_size:,} bytes, expected {size:,} bytes with {len(checksums):,} checksums"
            )
        large = size > FULL_CHECK_BYTES
        read_all = not large or not _is_unchanged(path)
        if read_all and large:
            log.info("%s was changed since it was written: reading all of its %.0f GiB", path, size / 2**30)
        step = 1 if read_all else -(-size // FULL_CHECK_BYTES)
        with path.open("rb", buffering=0) as file:
            for index in range(secrets.randbelow(step), len(checksums), step):
                file.seek(index * CHUNK_BYTES)
                if zlib.crc32(file.read(CHUNK_BYTES)) != checksums[index]:
                    raise DamagedError(f"{path.name}: not what was written")
        if read_all and large:
            _note_state(path)
    except OSError as error:
        raise DamagedError(f"{path.name}: {error.strerror}") from error


def write_description(folder: Path, fields: Mapping[str, Any]) -> None:
    """Write the description of an entry: ``fields``, which JSON can represent, with a checksum of them.

    Raises:
        OSError: There is no room, or no permission.
    """
    content = {"checksum": _checksum(fields), **fields}
    (folder / DESCRIPTION).write_text(json.dumps(content), encoding="utf-8")


def read_description(folder: Path) -> dict[str, Any]:
    """Return the fields of the description of an entry, without its checksum.

    Raises:
        DamagedError: There is no description, or it is not what was written.
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
    # A write that keeps the size and restores the modification time still changes ctime.
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _states(folder: Path) -> dict[str, Any]:
    try:
        states = json.loads((folder / STATES_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return states if isinstance(states, dict) else {}


def _is_unchanged(file: Path) -> bool:
    return _states(file.parent).get(file.name) == _state(file)


def _note_state(file: Path) -> None:
    """Record the state of the intact ``file``.

    If the folder is not writable, nothing is recorded, and the next opening reads the whole file again.
    """
    states = _states(file.parent) | {file.name: _state(file)}
    new = file.parent / f"{STATES_FILE}.{secrets.token_hex(4)}"
    with suppress(OSError):
        new.write_text(json.dumps(states), encoding="utf-8")
        new.replace(file.parent / STATES_FILE)
