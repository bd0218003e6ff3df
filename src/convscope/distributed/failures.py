"""What went wrong first, among several processes: told to all, and said once."""

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

FAILED = "convscope/failed"
FOR_EVER = timedelta(days=365)
NEWS = timedelta(seconds=3)  # what another process met reaches this one by a broken connection before by its word
GRACE = 15.0  # seconds in which a process has to end by itself after another failed; it may hang in an exchange


class OtherProcessError(RuntimeError):
    """Another process of this training failed, or was killed."""


class Failures:
    """The first failure of all processes, kept in the store by which they found each other.

    Args:
        store: Of ``torch.distributed``; the first process has it.
        rank: Of this process.
        give_up: Ends what this process has started; called before the process is ended by force.
    """

    def __init__(self, store: Any, rank: int, give_up: Callable[[], None]) -> None:
        self._store, self._listening, self._rank, self._give_up = store, store.clone(), rank, give_up
        self._over = threading.Event()
        threading.Thread(target=self._watch, args=(store.clone(),), daemon=True, name="failures").start()

    def cause(self, error: BaseException) -> BaseException:
        """``error``, or what went wrong before it in another process, of which it is a consequence."""
        expected = isinstance(error, UserError | Interrupted)
        if not expected:
            with suppress(Exception):
                self._listening.wait([FAILED], NEWS)
        first = self.report(_told(error, self._rank))
        return error if expected or first["rank"] == self._rank else _raised(first)

    def report(self, failure: dict[str, Any]) -> dict[str, Any]:
        """Note ``failure`` where it is the first; returns the first."""
        try:
            first: dict[str, Any] = json.loads(self._store.compare_set(FAILED, "", json.dumps(failure)))
        except Exception:  # the first process is gone
            return failure
        return first

    def stop_watching(self) -> None:
        """From here on this process ends in its own way."""
        self._over.set()

    def _watch(self, store: Any) -> None:
        """End this process where another has failed and this one does not notice: it waits for ever on a GPU."""
        try:
            store.wait([FAILED], FOR_EVER)
            first = json.loads(store.get(FAILED))
        except Exception:
            first = {"rank": 0, "kind": "failure", "message": "it ended without a word", "traceback": ""}
        if self._over.wait(GRACE):
            return
        if self._rank == 0:
            print(f"error: {_raised(first)}", file=sys.stderr, flush=True)
        self._give_up()
        os._exit(status_of(_raised(first)))


def failure_of_killed(rank: int, status: int) -> dict[str, Any]:
    """The failure of a process that ended with ``status`` and told nobody why."""
    import signal

    how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    return {"rank": rank, "kind": "failure", "message": how, "traceback": ""}


def status_of(error: BaseException) -> int:
    """The exit status that a command has for ``error``."""
    if isinstance(error, Interrupted):
        return 128 + error.signal
    return 2 if isinstance(error, UserError) else 1


def _told(error: BaseException, rank: int) -> dict[str, Any]:
    match error:
        case Interrupted():
            return {"rank": rank, "kind": "interrupted", "signal": int(error.signal)}
        case UserError():
            return {"rank": rank, "kind": "mistake", "message": str(error)}
    lines = "".join(traceback.format_exception(error))
    return {"rank": rank, "kind": "failure", "message": f"{type(error).__name__}: {error}", "traceback": lines}


def _raised(failure: dict[str, Any]) -> BaseException:
    match failure["kind"]:
        case "interrupted":
            return Interrupted(failure["signal"])
        case "mistake":
            return UserError(failure["message"])
    return OtherProcessError(f"process {failure['rank']}: {failure['message']}\n{failure['traceback']}".strip())
