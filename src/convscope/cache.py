"""The cache on disk: an entry appears whole or not at all, and one process fills it while others wait.

``<root>/<kind>/<key>/`` is an entry; its key is a digest of everything that its content depends on. Its modification
time is the time of its last use. An entry that a process uses is not removed: see `convscope.entry_use`.
"""

import logging
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from convscope.checksums import DESCRIPTION
from convscope.entry_use import claimed

Kind = Literal["images", "features", "tokens"]
State = Literal["unused", "in use", "being filled", "perhaps in use", "left behind"]
KINDS: tuple[Kind, ...] = get_args(Kind)
KEY = re.compile(r"[0-9a-f]{32}")
KEEP_SECONDS = 3600.0  # since its last use: how long an entry stays if no lock tells whether it is in use
NOTICE_SECONDS = 3.0  # to wait for another process before the log says so

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """An entry of the cache, or a folder that is being filled or that a killed process left behind.

    ``size`` is in bytes, ``last_used`` in seconds since 1970; ``state`` says whether a process uses or fills it.
    """

    path: Path
    kind: Kind
    size: int
    last_used: float
    state: State = "unused"


def entry_path(root: Path, kind: Kind, key: str) -> Path:
    """Return the folder of an entry. Everything under ``root`` is of one of the ``KINDS``."""
    return root / kind / key


@contextmanager
def locked(entry: Path, contents: str) -> Iterator[None]:
    """Hold the lock of ``entry``, so that only one process fills it.

    Args:
        entry: The folder of the entry.
        contents: What the entry stores, for the log message if another process holds the lock.

    Raises:
        OSError, NotImplementedError: The folder of the entry cannot be written, or its file system has no locks.
    """
    from filelock import FileLock, Timeout

    entry.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(entry.with_suffix(".lock"))
    try:
        lock.acquire(timeout=NOTICE_SECONDS)
    except Timeout:
        log.info("another process is storing %s: waiting for it", contents)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def staging_dir(entry: Path) -> Iterator[Path]:
    """Yield a new folder next to ``entry``, to be filled and then renamed by ``commit``.

    The caller holds the lock of ``entry``. A folder that was not renamed is removed at the end.

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


def commit(folder: Path, entry: Path) -> None:
    """Rename ``folder`` to ``entry``, after removing a damaged entry of that name. The caller holds the lock.

    A process that reads the damaged entry keeps its open files.

    Raises:
        OSError: The damaged entry cannot be removed.
    """
    if os.path.lexists(entry):
        _move_away(entry)
    folder.rename(entry)


def entries(root: Path) -> list[Entry]:
    """Return all entries, the most recently used first.

    Raises:
        PermissionError: The cache cannot be read.
    """
    present = []
    for kind in KINDS:
        for path in (root / kind).glob("*/"):
            with suppress(OSError):  # another process may be removing it
                if not _is_entry(path):
                    continue
                size = sum(file.stat().st_size for file in path.iterdir())
                last_used = path.stat().st_mtime
                present.append(Entry(path, kind, size, last_used, _state(path, last_used)))
    return sorted(present, key=lambda entry: entry.last_used, reverse=True)


def clear(root: Path, kind: Literal["all"] | Kind = "all") -> list[Entry]:
    """Remove the entries of a kind that no process uses; return those that were removed."""
    return [entry for entry in entries(root) if kind in ("all", entry.kind) and _remove(entry.path)]


def evict(root: Path, limit: int, keep: float = KEEP_SECONDS) -> list[Entry]:
    """Remove the least recently used entries until at most ``limit`` bytes are left; return those that were removed.

    Entries that a process uses stay, and so do those used within the last ``keep`` seconds: the next run may need
    them.
    """
    present = entries(root)
    total, removed = sum(entry.size for entry in present), []
    for entry in reversed(present):
        if total <= limit or time.time() - entry.last_used < keep:
            break
        if _remove(entry.path):
            total -= entry.size
            removed.append(entry)
    return removed


def _is_entry(path: Path) -> bool:
    """Return whether ``path`` belongs to the cache; its folder may hold the user's own files as well."""
    return KEY.fullmatch(path.name.partition(".")[0]) is not None or (path / DESCRIPTION).is_file()


def _state(path: Path, last_used: float) -> State:
    lock = path.with_suffix(".lock")
    if lock.exists():  # otherwise no process fills it
        with _lock_held(path) as held:
            if held is False:
                return "being filled"
    if path.suffix:
        return "left behind"
    with claimed(path) as unused:
        if unused is None:
            return "perhaps in use" if time.time() - last_used < KEEP_SECONDS else "unused"
        return "unused" if unused else "in use"


@contextmanager
def _lock_held(path: Path) -> Iterator[bool | None]:
    """Hold the lock of an entry, given its folder or a staging folder next to it.

    Yields True if the lock is held, False if another process fills the entry, None if there can be no lock.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_suffix(".lock"))
    held: bool | None = True
    try:
        lock.acquire(timeout=0)
    except Timeout:
        held = False
    except (OSError, NotImplementedError):
        held = None
    try:
        yield held
    finally:
        lock.release()


def _remove(path: Path) -> bool:
    """Remove an entry, or a folder left behind; return whether it is gone. It stays if a process uses it."""
    with _lock_held(path) as held:
        if not held:
            return False
        with claimed(path) as unused, suppress(OSError):
            if unused is None:  # unknown, without locks
                unused = time.time() - path.stat().st_mtime >= KEEP_SECONDS
            if unused:
                _move_away(path)
        gone = not os.path.lexists(path)
        if gone and not path.suffix:
            path.with_suffix(".lock").unlink(missing_ok=True)
        return gone


def _move_away(path: Path) -> None:
    """Remove ``path`` so that other processes see it vanish at once: rename it first, then delete its files.

    Raises:
        OSError: There is no permission.
    """
    if not path.is_dir() or path.is_symlink():
        path.unlink()
        return
    doomed = path.with_name(f"{path.stem}.{secrets.token_hex(4)}")
    path.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def cache_folder(folder: str | None) -> Path:
    """Return ``folder`` if it is given, else $CONVSCOPE_CACHE, else ~/.cache/convscope."""
    return Path(folder or os.environ.get("CONVSCOPE_CACHE") or "~/.cache/convscope").expanduser()
