"""The child process that `MLflowProcess` starts: ``python -m convscope.tracking.mlflow_child``."""

import contextlib
import os
import pickle
import queue
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any, BinaryIO

from convscope.tracking.mlflow_writer import Writer

LENGTH = 8  # bytes before each message, its length as a big-endian number
IGNORED = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGHUP")  # the parent process handles them and ends this one
METHODS_WITH_RESULT = ("start", "end")


def serve(inbox: "queue.SimpleQueue[bytes | None]", answer: Callable[[str, Any], None]) -> None:
    """Call the methods of a `Writer` that the messages name, until None arrives.

    After a failure, only ``end`` and ``start`` are still called, so that the run is ended.

    Args:
        inbox: Pickled pairs of a method name and its arguments.
        answer: Called with a kind and a value. For the methods in ``METHODS_WITH_RESULT``: ``done`` with the result,
            or ``refused`` with the error. For others: ``warned`` with a warning, or ``failed`` with the error.
    """
    writer, failed = Writer(), False
    while (message := _next(inbox, writer)) is not None:
        method = ""
        try:
            method, arguments = pickle.loads(message)
            failed = failed and method != "start"
            if failed and method != "end":
                continue
            result = getattr(writer, method)(*arguments)
        except Exception as error:
            failed = True
            writer.discard()
            answer("refused" if method in METHODS_WITH_RESULT else "failed", _error_text(error))
            continue
        if method in METHODS_WITH_RESULT:
            answer("done", result)
        elif result is not None:
            answer("warned", result)
    with contextlib.suppress(Exception):  # the parent ended without a call of `end`, so nobody reads an answer
        writer.flush()


FLUSH, IMPORT = pickle.dumps(("flush", ())), pickle.dumps(("import_next", ()))


def _next(inbox: "queue.SimpleQueue[bytes | None]", writer: Writer) -> bytes | None:
    due = writer.due
    if due == 0:
        return FLUSH
    try:
        return inbox.get(timeout=0 if writer.pending_imports else due)
    except queue.Empty:
        return IMPORT if writer.pending_imports else FLUSH


def _error_text(error: Exception) -> str:
    name = type(error).__name__
    return str(error) if name == "MlflowException" else f"{name}: {error}"


def _read(pipe: BinaryIO, inbox: "queue.SimpleQueue[bytes | None]") -> None:
    while len(size := pipe.read(LENGTH)) == LENGTH:
        inbox.put(pipe.read(int.from_bytes(size, "big")))
    inbox.put(None)


def main() -> None:
    """Read messages from the standard input, and write answers to the standard output."""
    for name in IGNORED:
        if hasattr(signal, name):  # not every platform has all of them
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # libraries print to the standard error instead, where it does not mix with the answers
    warnings.simplefilter("ignore")

    def answer(kind: str, value: Any) -> None:
        answers.write(pickle.dumps((kind, value)))

    inbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, inbox), daemon=True).start()
    with contextlib.suppress(BrokenPipeError):  # the parent process has ended
        serve(inbox, answer)


if __name__ == "__main__":
    main()
