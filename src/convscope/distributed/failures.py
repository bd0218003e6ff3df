"""The first failure among several processes: shared with all of them, and printed once."""

import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from convscope.errors import Interrupted, UserError

FAILED = "convscope/failed"  # key of the first failure in the store
NO_TIMEOUT = timedelta(days=365)
REPORT_TIMEOUT = timedelta(seconds=3)  # another process's failure breaks a connection before its report arrives
GRACE = 15.0  # seconds that a process has to exit by itself after another failed; it may hang in a collective call


class OtherProcessError(RuntimeError):
    """Raised when another process of this training failed or was killed."""


class Failures:
    """Records the first failure of all processes in the store of their process group, and watches for it.

    Args:
        store: Store of ``torch.distributed``; rank 0 hosts it.
        rank: Rank of this process.
        give_up: Called before this process is ended by force; it ends what the process has started.
    """

    def __init__(self, store: Any, rank: int, give_up: Callable[[], None]) -> None:
        self._store, self._waiting_store, self._rank, self._give_up = store, store.clone(), rank, give_up
        self._exiting = threading.Event()
        threading.Thread(target=self._watch, args=(store.clone(),), daemon=True, name="failures").start()

    def cause(self, error: BaseException) -> BaseException:
        """Return ``error``, or the earlier failure of another process that it is a consequence of."""
        expected = isinstance(error, UserError | Interrupted)
        if not expected:
            with suppress(Exception):
                self._waiting_store.wait([FAILED], REPORT_TIMEOUT)
        first = self.report(_to_failure(error, self._rank))
        return error if expected or first["rank"] == self._rank else _to_error(first)

    def report(self, failure: dict[str, Any]) -> dict[str, Any]:
        """Record ``failure`` if no process has failed before, and return the first failure."""
        try:
            first: dict[str, Any] = json.loads(self._store.compare_set(FAILED, "", json.dumps(failure)))
        except Exception:  # rank 0, which hosts the store, has exited
            return failure
        return first

    def stop_watching(self) -> None:
        """Stop watching the other processes: a failure of theirs no longer ends this process."""
        self._exiting.set()

    def _watch(self, store: Any) -> None:
        """End this process ``GRACE`` seconds after another has failed: it may wait for ever on a GPU."""
        try:
            store.wait([FAILED], NO_TIMEOUT)
            first = json.loads(store.get(FAILED))
        except Exception:
            first = {"rank": 0, "kind": "failure", "message": "ended without reporting an error", "traceback": ""}
        if self._exiting.wait(GRACE):
            return
        if self._rank == 0:
            print(f"error: {_to_error(first)}", file=sys.stderr, flush=True)
        self._give_up()
        os._exit(exit_status(_to_error(first)))


def failure_of_killed(rank: int, status: int) -> dict[str, Any]:
    """Return the failure of process ``rank``, which ended with the exit ``status`` and reported no error itself."""
    import signal

    message = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    return {"rank": rank, "kind": "failure", "message": message, "traceback": ""}


def exit_status(error: BaseException) -> int:
    """Return the exit status of a command that fails with ``error``."""
    if isinstance(error, Interrupted):
        return 128 + error.signal
    return 2 if isinstance(error, UserError) else 1


def _to_failure(error: BaseException, rank: int) -> dict[str, Any]:
    match error:
        case Interrupted():
            return {"rank": rank, "kind": "interrupted", "signal": int(error.signal)}
        case UserError():
            return {"rank": rank, "kind": "mistake", "message": str(error)}
    lines = "".join(traceback.format_exception(error))
    return {"rank": rank, "kind": "failure", "message": f"{type(error).__name__}: {error}", "traceback": lines}


def _to_error(failure: dict[str, Any]) -> BaseException:
    match failure["kind"]:
        case "interrupted":
            return Interrupted(failure["signal"])
        case "mistake":
            return UserError(failure["message"])
    return OtherProcessError(f"process {failure['rank']}: {failure['message']}\n{failure['traceback']}".strip())
