"""The process that `MLflowProcess` starts: ``python -m convscope.tracking.mlflow_child``."""

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

LENGTH = 8  # bytes before each message that say how long it is, the highest first
IGNORED = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGHUP")  # the other process hears them, and ends this one
ANSWERED = ("start", "end")


def serve(inbox: "queue.SimpleQueue[bytes | None]", answer: Callable[[str, Any], None]) -> None:
    """Have a `Writer` do what the messages tell, until None comes.

    Args:
        inbox: Pickled pairs of a method and its arguments.
        answer: Called with ``done`` and the result of a method that is asked for it, or ``refused`` and why; for the
            others with ``warned`` or ``failed`` and a text. After a failure a run is told no more than its end.
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
            answer("refused" if method in ANSWERED else "failed", _said(error))
            continue
        if method in ANSWERED:
            answer("done", result)
        elif result is not None:
            answer("warned", result)
    with contextlib.suppress(Exception):  # the other process is gone without an end: there is nobody to tell
        writer.flush()


FLUSH, IMPORT = pickle.dumps(("flush", ())), pickle.dumps(("import_next", ()))


def _next(inbox: "queue.SimpleQueue[bytes | None]", writer: Writer) -> bytes | None:
    due = writer.due
    if due == 0:
        return FLUSH
    try:
        return inbox.get(timeout=0 if writer.wanted else due)
    except queue.Empty:
        return IMPORT if writer.wanted else FLUSH


def _said(error: Exception) -> str:
    name = type(error).__name__
    return str(error) if name == "MlflowException" else f"{name}: {error}"


def _read(pipe: BinaryIO, inbox: "queue.SimpleQueue[bytes | None]") -> None:
    while len(size := pipe.read(LENGTH)) == LENGTH:
        inbox.put(pipe.read(int.from_bytes(size, "big")))
    inbox.put(None)


def main() -> None:
    """Serve the standard input, and answer to the standard output."""
    for name in IGNORED:
        if hasattr(signal, name):  # not all are everywhere
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what libraries print is no answer
    warnings.simplefilter("ignore")

    def answer(kind: str, value: Any) -> None:
        answers.write(pickle.dumps((kind, value)))

    inbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, inbox), daemon=True).start()
    with contextlib.suppress(BrokenPipeError):  # the other process is gone
        serve(inbox, answer)


if __name__ == "__main__":
    main()
