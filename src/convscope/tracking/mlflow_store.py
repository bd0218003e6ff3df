"""One MLflow store for several processes: one at a time sets it up, and a locked database is tried again."""

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

SETUP_SECONDS = 120.0  # for the other processes to create their runs; a new database takes each about two
LOCKED_SECONDS = 60.0  # for the other processes to finish their writes
# How SQLite, PostgreSQL and MySQL say that another transaction is in the way.
_LOCKED = re.compile(r"\blocked\b|deadlock|lock wait timeout", re.IGNORECASE)


@contextmanager
def exclusive_setup(uri: str) -> Iterator[None]:
    """Hold the lock under which processes create the tables, the experiment and the run of a store.

    MLflow guards none of these itself: of two processes that find a new database, each runs the migrations, and the
    second fails at the first of them ("duplicate column name"). A server sets its own store up, and needs no lock.

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
    except (OSError, NotImplementedError):  # a folder that is read-only or knows no locks: MLflow may do with it
        held = nullcontext()
    with held:
        yield


def lock_file(uri: str) -> Path | None:
    """The lock of a store: beside an SQLite file, else in the user's cache folder; None for a server."""
    if re.match(r"https?:|databricks|uc:", uri):
        return None
    if match := re.match(r"sqlite(?:\+\w+)?:///([^?]+)", uri):
        database = Path(match[1]).absolute()
        return database.with_name(f".{database.name}.lock")
    cache = Path(os.environ.get("CONVSCOPE_CACHE") or "~/.cache/convscope").expanduser()
    return cache / "locks" / f"mlflow-{hashlib.sha256(uri.encode()).hexdigest()[:16]}.lock"


def open_client(uri: str) -> "PatientClient":
    """MLflow's client for ``uri``, which creates the tables of a new database."""
    from mlflow.tracking import MlflowClient

    return PatientClient(retry_while_locked(MlflowClient, uri))


class PatientClient:
    """An ``MlflowClient`` that repeats a call for which the database was locked.

    A call is one transaction: where it fails it is rolled back, so that repeating it writes nothing twice.

    Args:
        client: What is called.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._client, name)
        return functools.partial(retry_while_locked, value) if callable(value) else value


def retry_while_locked(call: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
    """``call`` the function, again while a database is locked, for ``LOCKED_SECONDS``; then the error is raised."""
    deadline, pause = time.monotonic() + LOCKED_SECONDS, 0.05
    while True:
        try:
            return call(*arguments, **named)
        except Exception as error:
            if not _LOCKED.search(str(error)) or time.monotonic() > deadline:
                raise
        time.sleep(pause * random.uniform(0.5, 1.5))  # two that met once must not meet again
        pause = min(2 * pause, 2.0)
