"""Marks the entries of the cache that are in use: a process that reads an entry holds a shared lock on its description.

The system drops the lock when the process ends, however it ends. The lock needs no permission to write, and belongs to
the file, not to its name: an entry that was written again has a new file and a new lock. Where the system or the file
system has no such locks, the time of the last use decides: it is written every few minutes while the entry is in use,
and at the end of the use.
"""

import os
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from convscope.checksums import DESCRIPTION

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

TOUCH_INTERVAL = 600.0  # seconds
LOCK_TIMEOUT = 2.0  # seconds to wait for a process that holds an entry exclusively, to check or to remove it


class EntryUse:
    """Marks an entry as in use for as long as this object lives; ``use_entry`` creates it."""

    _alive: ClassVar["weakref.WeakSet[EntryUse]"] = weakref.WeakSet()
    _next_touch: ClassVar[float] = 0.0

    def __init__(self, entry: Path, descriptor: int) -> None:
        self._entry = entry
        # A forked child shares the lock: closing its descriptor keeps the parent's lock, unlocking would not.
        self._release = weakref.finalize(self, _release, entry, descriptor)
        self._alive.add(self)
        _touch(entry)

    @classmethod
    def touch(cls) -> None:
        """Write the time of use of all entries that this process uses, at most every ``TOUCH_INTERVAL`` seconds."""
        now = time.monotonic()
        if now >= EntryUse._next_touch:
            EntryUse._next_touch = now + TOUCH_INTERVAL
            for use in list(cls._alive):
                _touch(use._entry)

    def release(self) -> None:
        """End the use; a second call does nothing."""
        self._alive.discard(self)
        self._release()

    def __reduce__(self) -> "tuple[Callable[[Path], EntryUse | None], tuple[Path]]":
        """Pickle as a call of ``use_entry``, so that a copy, here or in another process, has a lock of its own."""
        return use_entry, (self._entry,)


def use_entry(entry: Path) -> EntryUse | None:
    """Mark ``entry`` as in use; return None if it does not exist or is being removed."""
    try:
        descriptor = os.open(entry / DESCRIPTION, os.O_RDONLY)
    except OSError:
        return None
    try:
        is_current = _lock_shared(descriptor) and os.path.samestat(os.fstat(descriptor), os.stat(entry / DESCRIPTION))
    except OSError:
        is_current = False
    if is_current:
        return EntryUse(entry, descriptor)
    os.close(descriptor)
    return None


@contextmanager
def claimed(entry: Path) -> Iterator[bool | None]:
    """Keep other processes from beginning to use ``entry``.

    Yields True if no process uses it, False if one does, and None if that cannot be determined.
    """
    try:
        descriptor = _open_to_claim(entry / DESCRIPTION)
    except PermissionError:
        yield None
        return
    except OSError:  # without a description no process can use it
        yield True
        return
    try:
        yield _lock_exclusively(descriptor)
    finally:
        os.close(descriptor)


def _open_to_claim(file: Path) -> int:
    try:
        return os.open(file, os.O_RDWR)  # NFS grants exclusive locks only on files opened for writing
    except OSError:
        return os.open(file, os.O_RDONLY)


def _lock_exclusively(descriptor: int) -> bool | None:
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # the file system has no locks
        return None
    return True


def _lock_shared(descriptor: int) -> bool:
    """Take the shared lock, if there are locks; return False if another process keeps the entry locked exclusively."""
    if fcntl is None:
        return True
    end = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        except OSError:
            return True
        else:
            return True


def _touch(entry: Path) -> None:
    with suppress(OSError):
        os.utime(entry)


def _release(entry: Path, descriptor: int) -> None:
    _touch(entry)
    with suppress(OSError):
        os.close(descriptor)
