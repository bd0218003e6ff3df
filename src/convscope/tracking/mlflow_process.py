"""Runs MLflow in a child process, so that no training waits for its imports, for a database or for a server.

Messages to the child are pickled pairs of the name of a method of
:class:`convscope.tracking.mlflow_writer.Writer` and its arguments, each after its length, in the order of the calls.
Answers are pickled pairs of a kind and a value.
"""

import atexit
import os
import pickle
import queue
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any, Literal

from convscope import hub
from convscope.config.logger import MLflowConfig
from convscope.tracking.choice import is_installed
from convscope.tracking.mlflow_child import LENGTH

COMMAND = (sys.executable, "-m", "convscope.tracking.mlflow_child")
# With MLflow's own limits, a server that stopped answering would delay the end of a run by many minutes.
DEFAULTS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
# One core and no GPU, since the training uses the others.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
LAST_SECONDS = 10.0  # for the child to end after the last message

# `done` and `refused` answer `call`; `warned` and `failed` report about an earlier `send`.
Kind = Literal["done", "refused", "warned", "failed", "gone"]


class MLflowError(Exception):
    """An error of MLflow, with its message."""


class MLflowProcess:
    """Sends method calls to the child process, in order, without waiting; later calls raise errors of earlier ones."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            COMMAND,
            env=DEFAULTS | os.environ | ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # so that Ctrl-C only reaches this process, which ends the child
        )
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[Kind, Any]] = queue.SimpleQueue()
        for loop in (self._write, self._read):
            threading.Thread(target=loop, daemon=True).start()
        atexit.register(self.end)

    @property
    def alive(self) -> bool:
        """Whether the child process is running."""
        return self._process.poll() is None

    def send(self, method: str, *arguments: Any) -> None:
        """Send a method call to the child, and return at once.

        Raises:
            MLflowError: An earlier call failed.
            Exception: The arguments cannot be pickled.
        """
        while not self._answers.empty():
            kind, value = self._next_answer()
            if kind == "failed":
                raise MLflowError(value)
        self._send(method, *arguments)

    def _send(self, method: str, *arguments: Any) -> None:
        message = pickle.dumps((method, arguments), protocol=pickle.HIGHEST_PROTOCOL)
        self._outbox.put(len(message).to_bytes(LENGTH, "big") + message)

    def call(self, method: str, *arguments: Any) -> Any:
        """Send a method call to the child, wait until it and all earlier calls are done, and return its result.

        The method is called even if an earlier call failed. So a run is ended even if an image could not be copied.

        Raises:
            MLflowError: This call or an earlier one failed.
        """
        self._send(method, *arguments)
        failure = None
        while True:
            kind, value = self._next_answer()
            if kind in ("failed", "refused"):
                failure = failure or value
            if kind in ("done", "refused"):
                break
        if failure is not None:
            raise MLflowError(failure)
        return value

    def _next_answer(self) -> tuple[Kind, Any]:
        kind, value = self._answers.get()
        if kind == "gone":
            self._answers.put((kind, value))  # for later calls
            raise MLflowError(f"its process ended with status {self._process.wait()}")
        if kind == "warned":
            warnings.warn(value, stacklevel=4)
        return kind, value

    def _write(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        try:
            while (message := self._outbox.get()) is not None:
                pipe.write(message)
                if self._outbox.empty():
                    pipe.flush()
            pipe.close()
        except OSError:
            return  # the child has ended, which `_read` reports

    def _read(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        try:
            while True:
                self._answers.put(pickle.load(pipe))
        except (EOFError, OSError, pickle.UnpicklingError):
            self._answers.put(("gone", None))

    def end(self) -> None:
        """End the child after the messages so far, and kill it after ``LAST_SECONDS``; at once if it has no run."""
        atexit.unregister(self.end)
        self._outbox.put(None)
        try:
            self._process.wait(0 if self in _waiting else LAST_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


_waiting: list[MLflowProcess] = []


def store_address(settings: MLflowConfig, outputs: str | Path) -> str:
    """Return the address of MLflow's store: the given one, else that of the environment, else a file in ``outputs``."""
    return settings.uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{outputs}/mlflow.db"


def prepare_tracker(settings: MLflowConfig, outputs: str, logs_model: bool) -> None:
    """Start a child that imports MLflow while this process imports PyTorch, and probe the server."""
    uri = store_address(settings, outputs)
    if is_installed("mlflow"):
        prepare(uri, logs_model)
    if uri.startswith("http"):
        hub.reachable.start_probe(uri)


def prepare(uri: str, networks: bool) -> None:
    """Start a child that imports MLflow in the background; the next `take` returns it.

    Args:
        uri: Address of the store.
        networks: Whether the run is going to store a network.
    """
    process = take()
    process.send("prepare", uri, networks)
    _waiting.append(process)


def take() -> MLflowProcess:
    """Return a child without a run: one from `prepare` or `give_back`, else a new one."""
    while _waiting:
        process = _waiting.pop()
        if process.alive:
            return process
    return MLflowProcess()


def give_back(process: MLflowProcess) -> None:
    """Keep a child whose run has ended for the next run, because its imports took seconds."""
    _waiting.append(process)
