"""The cache on disk: entries that appear whole or not at all, filled by one process while others wait.

``<root>/<kind>/<key>/`` is an entry; its key says everything that its content depends on. Its time of modification
is that of its last use.
"""

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

KINDS = ("images", "features")
PATIENCE = 3.0  # seconds to wait for another process before saying so

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """An entry that is there: ``size`` in bytes, ``used`` in seconds since 1970."""

    path: Path
    kind: str
    size: int
    used: float


@contextmanager
def locked(entry: Path, what: str) -> Iterator[None]:
    """Hold the lock of ``entry``, so that one process fills it; ``what`` tells the user what is waited for.

    Raises:
        OSError, NotImplementedError: The folder of the entry cannot be written, or knows no locks.
    """
    from filelock import FileLock, Timeout

    entry.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(entry.with_suffix(".lock"))
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        log.info("another process is storing %s: waiting for it", what)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def beside(entry: Path) -> Iterator[Path]:
    """A new folder beside ``entry``, whose lock is held, to fill and to rename; what is left of it is removed.

    Raises:
        OSError: There is no room, or no permission.
    """
    for left_behind in entry.parent.glob(f"{entry.name}.*/"):  # by a process that was killed
        shutil.rmtree(left_behind, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{entry.name}.", dir=entry.parent))
    try:
        yield folder
    finally:
        if folder.exists():
            shutil.rmtree(folder, ignore_errors=True)


def put_in_place(folder: Path, entry: Path) -> None:
    """Give ``folder`` the name of ``entry``; what is there, a damaged one, is removed. The lock is held.

    Raises:
        OSError: It cannot be removed.
    """
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    elif os.path.lexists(entry):
        entry.unlink()
    folder.rename(entry)


def used(entry: Path) -> None:
    """Note that ``entry`` is in use now: what was not used for longest is evicted first."""
    with suppress(OSError):
        os.utime(entry)


def entries(root: Path) -> list[Entry]:
    """All entries, the most recently used first."""
    found = []
    for kind in KINDS:
        for path in (root / kind).glob("*/"):
            with suppress(OSError):  # another process may be removing it
                size = sum(file.stat().st_size for file in path.iterdir())
                found.append(Entry(path, kind, size, path.stat().st_mtime))
    return sorted(found, key=lambda entry: entry.used, reverse=True)


def clear(root: Path, kind: Literal["all", "images", "features"] = "all") -> list[Entry]:
    """Remove the entries of a kind; returns what was removed. A run that reads one keeps its open files."""
    chosen = [entry for entry in entries(root) if kind in ("all", entry.kind)]
    for entry in chosen:
        shutil.rmtree(entry.path, ignore_errors=True)
        entry.path.with_suffix(".lock").unlink(missing_ok=True)
    return chosen


def evict(root: Path, limit: int, keep: float = 3600.0) -> list[Entry]:
    """Remove the least recently used entries until at most ``limit`` bytes are left; returns what was removed.

    What was used within the last ``keep`` seconds stays: a run may be reading it.
    """
    present = entries(root)
    total, removed = sum(entry.size for entry in present), []
    for entry in reversed(present):
        if total <= limit or time.time() - entry.used < keep:
            break
        shutil.rmtree(entry.path, ignore_errors=True)
        total -= entry.size
        removed.append(entry)
    return removed
