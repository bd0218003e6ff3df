"""Access of several processes to one MLflow store: a lock for setting it up, and retries while it is locked."""

import functools
import hashlib
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")

SETUP_SECONDS = 120.0  # to wait for other processes that create runs; with a new database, each takes about two
LOCKED_SECONDS = 60.0  # to wait for the writes of other processes
# Error messages of SQLite, PostgreSQL and MySQL when another transaction holds a lock.
_LOCKED = re.compile(r"\blocked\b|deadlock|lock wait timeout", re.IGNORECASE)


@contextmanager
def exclusive_setup(uri: str) -> Iterator[None]:
    """Hold the lock of a store while creating its tables, the experiment and the run.

    MLflow itself has no such lock. If two processes find a new database, both run the migrations, and the second fails
    at the first of them ("duplicate column name"). A server sets up its own store and needs no lock.

    Raises:
        TimeoutError: Other processes held the lock for ``SETUP_SECONDS``.
    """
    file = lock_file(uri)
    if file is None:
        yield
        return
    from filelock import FileLock, Timeout

    held: AbstractContextManager[object]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(file).acquire(timeout=SETUP_SECONDS)
    except Timeout:
        raise TimeoutError(
            f"other processes have been setting up the MLflow store for {SETUP_SECONDS:.0f} s; its lock is {file}"
        ) from None
    except (OSError, NotImplementedError):  # a read-only folder, or no locks on this file system; MLflow may still work
        held = nullcontext()
    with held:
        yield


def lock_file(uri: str) -> Path | None:
    """Return the lock file of a store: in the folder of an SQLite file, else in the user's cache; None for a server."""
    if re.match(r"https?:|databricks|uc:", uri):
        return None
    if match := re.match(r"sqlite(?:\+\w+)?:///([^?]+)", uri):
        database = Path(match[1]).absolute()
        return database.with_name(f".{database.name}.lock")
    cache = Path(os.environ.get("CONVSCOPE_CACHE") or "~/.cache/convscope").expanduser()
    return cache / "locks" / f"mlflow-{hashlib.sha256(uri.encode()).hexdigest()[:16]}.lock"


def open_client(uri: str) -> "PatientClient":
    """Return MLflow's client for ``uri``, which creates the tables of a new database."""
    from mlflow.tracking import MlflowClient

    return PatientClient(retry_while_locked(MlflowClient, uri))


class PatientClient:
    """An ``MlflowClient`` that repeats a call if the database was locked.

    Each call is one transaction. If it fails, it is rolled back, so that repeating it writes nothing twice.

    Args:
        client: The ``MlflowClient``.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._client, name)
        return functools.partial(retry_while_locked, value) if callable(value) else value


def retry_while_locked(call: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
    """Return ``call(*arguments, **named)``, repeated for up to ``LOCKED_SECONDS`` while the database is locked."""
    deadline, pause = time.monotonic() + LOCKED_SECONDS, 0.05
    while True:
        try:
            return call(*arguments, **named)
        except Exception as error:
            if not _LOCKED.search(str(error)) or time.monotonic() > deadline:
                raise
        time.sleep(pause * random.uniform(0.5, 1.5))  # random, so that two processes do not collide again
        pause = min(2 * pause, 2.0)
