"""Stops the worker processes of a sweep on this machine with it, so that they save their state first."""

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from convscope.errors import Interrupted
from convscope.sweeps.job import Outcome

# Signals that ask a sweep to stop; Windows has no SIGUSR1 and SIGUSR2.
STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)
)
STOP_FILE = "stop"


@contextmanager
def on_first_signal(stop: Callable[[], None]) -> Iterator[list[int]]:
    """Call ``stop`` at the first signal that asks for an end, and go on waiting.

    Ctrl-C after the first signal raises KeyboardInterrupt. Outside the main thread, which alone can handle signals,
    this does nothing.

    Yields:
        List of the signals received so far.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:
            stop()
        elif number == signal.SIGINT:
            raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    for number in STOP_SIGNALS:
        signal.signal(number, on_signal)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


class WorkerFiles:
    """Stops the processes of a pool by files in a folder: one for each process, and one that says that all are to stop.

    Attributes:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def stop(self) -> None:
        """Let the workers begin no other job, and interrupt the running ones."""
        (self.folder / STOP_FILE).touch()
        for file in self.folder.glob("worker-*"):
            try:
                os.kill(int(file.name.removeprefix("worker-")), signal.SIGTERM)
            except ProcessLookupError:
                continue


@contextmanager
def worker_folder() -> Iterator[WorkerFiles]:
    """Make a temporary folder for the files of the workers of this process."""
    with tempfile.TemporaryDirectory(prefix="convscope-workers-") as folder:
        yield WorkerFiles(Path(folder))


class _Worker:
    """The state of this process if it is a worker.

    Attributes:
        folder: Folder of `WorkerFiles`; None if this process is not a worker.
        working: Whether a job is running.
        stopping: Whether a signal has requested the worker to stop.
        slot: Lock that holds the worker's GPU.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.working = False
        self.stopping = False
        self.slot: FileLock | None = None

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Remember the signal; interrupt the running job at the first one."""
        first, self.stopping = not self.stopping, True
        if self.working and first:
            raise Interrupted(number)


_worker = _Worker()


def init_worker(folder: str, workers: int, gpus: Sequence[str] = ()) -> None:
    """Set up this process as a worker.

    It ignores Ctrl-C, which a terminal sends to all processes: the process of the sweep handles it.

    Args:
        folder: Folder of `WorkerFiles`.
        workers: Number of workers at a time.
        gpus: Names of the GPUs, over which the workers are spread evenly, each seeing one; empty: each sees all.
    """
    _worker.folder = Path(folder)
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else _worker.on_signal)
    (_worker.folder / f"worker-{os.getpid()}").touch()
    for slot in range(workers if gpus else 0):
        lock = FileLock(_worker.folder / f"place-{slot}")  # released when the process ends, however it ends
        with suppress(Timeout):
            lock.acquire(timeout=0)
            _worker.slot = lock
            os.environ["CUDA_VISIBLE_DEVICES"] = gpus[slot % len(gpus)]
            return


def stop_requested() -> bool:
    """Return whether this process is a worker that may begin no other job."""
    return _worker.folder is not None and (_worker.stopping or (_worker.folder / STOP_FILE).exists())


@dataclass(frozen=True)
class Stoppable:
    """Runs a task in a worker: a signal ends the task with its state saved, and no other one begins.

    Attributes:
        task: Function of a job's configuration.
    """

    task: Callable[[DictConfig], Any]

    def __call__(self, config: DictConfig) -> Any:
        """Return the result of ``task``, or an `Outcome` of a failure if a signal ended it or came before."""
        _worker.working = True
        try:
            if not stop_requested():
                return self.task(config)
        except Interrupted:
            _worker.stopping = True
        finally:
            _worker.working = False
        name = Path(HydraConfig.get().runtime.output_dir).name
        return Outcome(name, "failed", "a signal ended it; run the same command again to resume it")
