"""The cache on disk: entries that appear whole or not at all, filled by one process while others wait.

``<root>/<kind>/<key>/`` is an entry; its key says everything that its content depends on. Its time of modification
is that of its last use. What a process uses is not removed: see `convscope.entry_use`.
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
KEEP = 3600.0  # seconds since its last use that an entry stays where no lock tells whether it is in use
PATIENCE = 3.0  # seconds to wait for another process before saying so

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """An entry that is there, or a folder that is being filled or was left behind by a process that was killed.

    ``size`` in bytes, ``used`` in seconds since 1970; ``state`` says who has it.
    """

    path: Path
    kind: Kind
    size: int
    last_used: float
    state: State = "unused"


def entry_path(root: Path, kind: Kind, key: str) -> Path:
    """Return the folder of an entry. Whatever is kept under ``root`` is of one of the `KINDS`."""
    return root / kind / key


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
def staging_dir(entry: Path) -> Iterator[Path]:
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


def commit(folder: Path, entry: Path) -> None:
    """Give ``folder`` the name of ``entry``; what is there, a damaged one, is removed. The lock is held.

    A process that reads the damaged one keeps its open files.

    Raises:
        OSError: It cannot be removed.
    """
    if os.path.lexists(entry):
        _move_away(entry)
    folder.rename(entry)


def entries(root: Path) -> list[Entry]:
    """Return all entries, the most recently used first.

    Raises:
        PermissionError: The cache cannot be read.
    """
    found = []
    for kind in KINDS:
        for path in (root / kind).glob("*/"):
            with suppress(OSError):  # another process may be removing it
                if not _is_entry(path):
                    continue
                size = sum(file.stat().st_size for file in path.iterdir())
                used = path.stat().st_mtime
                found.append(Entry(path, kind, size, used, _state(path, used)))
    return sorted(found, key=lambda entry: entry.last_used, reverse=True)


def clear(root: Path, kind: Literal["all"] | Kind = "all") -> list[Entry]:
    """Remove the entries of a kind that no process uses; returns what was removed."""
    return [entry for entry in entries(root) if kind in ("all", entry.kind) and _remove(entry.path)]


def evict(root: Path, limit: int, keep: float = KEEP) -> list[Entry]:
    """Remove the least recently used entries until at most ``limit`` bytes are left; returns what was removed.

    What a process uses stays, and what was used within the last ``keep`` seconds: the next run may want it.
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
    """Whether ``path`` is of the cache, whose folder may be one that the user keeps other things in."""
    return KEY.fullmatch(path.name.partition(".")[0]) is not None or (path / DESCRIPTION).is_file()


def _state(path: Path, used: float) -> State:
    lock = path.with_suffix(".lock")
    if lock.exists():  # else nobody fills it
        with _lock_held(path) as held:
            if held is False:
                return "being filled"
    if path.suffix:
        return "left behind"
    with claimed(path) as unused:
        if unused is None:
            return "perhaps in use" if time.time() - used < KEEP else "unused"
        return "unused" if unused else "in use"


@contextmanager
def _lock_held(path: Path) -> Iterator[bool | None]:
    """Hold the lock of an entry, or of a folder beside it.

    Yields whether it is held: False where another process fills the entry, None where the lock cannot be had at all.
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
    """Remove an entry, or what was left of one; returns whether it is gone. It stays where a process uses it."""
    with _lock_held(path) as held:
        if not held:
            return False
        with claimed(path) as unused, suppress(OSError):
            if unused is None:  # nobody can tell
                unused = time.time() - path.stat().st_mtime >= KEEP
            if unused:
                _move_away(path)
        gone = not os.path.lexists(path)
        if gone and not path.suffix:
            path.with_suffix(".lock").unlink(missing_ok=True)
        return gone


def _move_away(path: Path) -> None:
    """Remove ``path`` at once for others: it gets another name first, under which its files are deleted.

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
    """The folder that was told, else $CONVSCOPE_CACHE, else the user's cache folder."""
    return Path(folder or os.environ.get("CONVSCOPE_CACHE") or "~/.cache/convscope").expanduser()
