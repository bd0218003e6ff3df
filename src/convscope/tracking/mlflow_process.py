"""MLflow in a process of its own: no training waits for its imports, for a database or for a server.

Messages are pairs of a method of :class:`convscope.tracking.mlflow_writer.Writer` and its arguments, pickled, each
after its length, in the order in which they are told; what comes back are pairs of a kind and a value.
"""

import atexit
import os
import pickle
import queue
import subprocess
import sys
import threading
import warnings
from typing import Any, Literal

from convscope.tracking.mlflow_child import LENGTH

COMMAND = (sys.executable, "-m", "convscope.tracking.mlflow_child")
# MLflow's own limits let a server that died hold a run's end for many minutes.
DEFAULTS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
# One core, and none of the GPUs: those are the training's.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
LAST_SECONDS = 10.0  # for the process to end, once nothing more comes

# `refused` is the answer to what was asked, `failed` is about something that was told.
Kind = Literal["done", "refused", "warned", "failed", "gone"]


class MLflowError(Exception):
    """What went wrong with MLflow, in its words."""


class MLflowProcess:
    """Takes what is told at once and hands it on, in order; what fails there is raised by a later call here."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            COMMAND,
            env=DEFAULTS | os.environ | ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for this process, which ends the other
        )
        self._told: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[Kind, Any]] = queue.SimpleQueue()
        for work in (self._write, self._read):
            threading.Thread(target=work, daemon=True).start()
        atexit.register(self.end)

    @property
    def alive(self) -> bool:
        """Whether it can be told something."""
        return self._process.poll() is None

    def send(self, method: str, *arguments: Any) -> None:
        """Have a method called; returns at once.

        Raises:
            MLflowError: Something failed that was told before.
            Exception: The arguments cannot be pickled.
        """
        while not self._answers.empty():
            kind, value = self._hear()
            if kind == "failed":
                raise MLflowError(value)
        self._send(method, *arguments)

    def _send(self, method: str, *arguments: Any) -> None:
        message = pickle.dumps((method, arguments), protocol=pickle.HIGHEST_PROTOCOL)
        self._told.put(len(message).to_bytes(LENGTH, "big") + message)

    def call(self, method: str, *arguments: Any) -> Any:
        """Have a method called that answers, and wait until it has, after all that was told before.

        It is called whatever failed before: a run is ended, even where one of its images could not be copied.

        Raises:
            MLflowError: It failed, or something that was told before.
        """
        self._send(method, *arguments)
        failure = None
        while True:
            kind, value = self._hear()
            if kind in ("failed", "refused"):
                failure = failure or value
            if kind in ("done", "refused"):
                break
        if failure is not None:
            raise MLflowError(failure)
        return value

    def _hear(self) -> tuple[Kind, Any]:
        kind, value = self._answers.get()
        if kind == "gone":
            self._answers.put((kind, value))  # for whoever asks next
            raise MLflowError(f"its process ended with status {self._process.wait()}")
        if kind == "warned":
            warnings.warn(value, stacklevel=4)
        return kind, value

    def _write(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        try:
            while (message := self._told.get()) is not None:
                pipe.write(message)
                if self._told.empty():
                    pipe.flush()
            pipe.close()
        except OSError:
            return  # it is gone, as its closed output tells

    def _read(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        try:
            while True:
                self._answers.put(pickle.load(pipe))
        except (EOFError, OSError, pickle.UnpicklingError):
            self._answers.put(("gone", None))

    def end(self) -> None:
        """Let it end when it has done what it was told; after ``LAST_SECONDS``, or where it has no run, it has to."""
        atexit.unregister(self.end)
        self._told.put(None)
        try:
            self._process.wait(0 if self in _waiting else LAST_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


_waiting: list[MLflowProcess] = []


def prepare(uri: str, networks: bool) -> None:
    """Begin with the imports while this process has others to do; the next `take` gets that process.

    Args:
        uri: Of the store.
        networks: Whether the run is going to have a network kept.
    """
    process = take()
    process.send("prepare", uri, networks)
    _waiting.append(process)


def take() -> MLflowProcess:
    """A process with no run: one that was given back or prepared, or else a new one."""
    while _waiting:
        process = _waiting.pop()
        if process.alive:
            return process
    return MLflowProcess()


def give_back(process: MLflowProcess) -> None:
    """Keep a process whose run has ended for the next run: its imports took seconds."""
    _waiting.append(process)
