"""A sweep whose jobs are processes of this machine: who ends the sweep ends them, with their state saved."""

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

# What asks a sweep for an end; Windows has no SIGUSR1 and 2.
ENDS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name))
STOP_FILE = "stop"


@contextmanager
def forwarding(stop: Callable[[], None]) -> Iterator[list[int]]:
    """Call ``stop`` for the first signal that asks for an end, and go on waiting; the second Ctrl-C is heard.

    Yields:
        The signals that came.
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

    before = {number: signal.getsignal(number) for number in ENDS}
    for number in ENDS:
        signal.signal(number, on_signal)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


class WorkerFiles:
    """The processes of a pool, by the files that they leave in a folder: one each, and one that tells them to stop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def stop(self) -> None:
        """Begin no other job, and interrupt those that run."""
        (self.folder / STOP_FILE).touch()
        for file in self.folder.glob("worker-*"):
            try:
                os.kill(int(file.name.removeprefix("worker-")), signal.SIGTERM)
            except ProcessLookupError:
                continue


@contextmanager
def workers() -> Iterator[WorkerFiles]:
    """A folder for the workers of this process."""
    with tempfile.TemporaryDirectory(prefix="convscope-workers-") as folder:
        yield WorkerFiles(Path(folder))


class _Worker:
    """This process, where it is a worker."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.working = False
        self.asked = False
        self.place: FileLock | None = None

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        first, self.asked = not self.asked, True
        if self.working and first:
            raise Interrupted(number)


_worker = _Worker()


def init_worker(folder: str, workers: int, gpus: Sequence[str] = ()) -> None:
    """What a worker does first. Ctrl-C, which a terminal sends to all, is the business of the sweep alone.

    Args:
        folder: That of `Workers`.
        workers: How many there are at a time.
        gpus: Names of devices; each worker sees one, of which none has more workers than it must. None: all see all.
    """
    _worker.folder = Path(folder)
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else _worker.on_signal)
    (_worker.folder / f"worker-{os.getpid()}").touch()
    for place in range(workers if gpus else 0):
        lock = FileLock(_worker.folder / f"place-{place}")  # let go of when the process ends, however it does
        with suppress(Timeout):
            lock.acquire(timeout=0)
            _worker.place = lock
            os.environ["CUDA_VISIBLE_DEVICES"] = gpus[place % len(gpus)]
            return


def stop_requested() -> bool:
    """Whether this process is a worker that is to begin no other job."""
    return _worker.folder is not None and (_worker.asked or (_worker.folder / STOP_FILE).exists())


@dataclass(frozen=True)
class Stoppable:
    """``task`` in a worker: a signal ends it with its state saved, and then none begins."""

    task: Callable[[DictConfig], Any]

    def __call__(self, config: DictConfig) -> Any:
        """What ``task`` returns, or that a signal ended it."""
        _worker.working = True
        try:
            if not stop_requested():
                return self.task(config)
        except Interrupted:
            _worker.asked = True
        finally:
            _worker.working = False
        name = Path(HydraConfig.get().runtime.output_dir).name
        return Outcome(name, "failure", "a signal ended it; the same sweep again goes on with it")
