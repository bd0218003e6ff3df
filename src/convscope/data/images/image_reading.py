"""Reading and resizing all images of a split, on all cores, with a progress bar where it takes long."""

import multiprocessing
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np

from convscope.data.cores import available_cores
from convscope.data.images.image_source import BadImageError, ImageSplit
from convscope.data.images.resizing import Resizing

CHUNK = 16  # images a task
MOST_WORKERS = 16
PROCESSES_FROM = 200  # images; drawing fewer takes less time than starting processes
SHOW_AFTER = 2.0  # seconds

Chunk = list[np.ndarray | BadImageError]


def read_resized(split: ImageSplit, resizing: Resizing, what: str) -> Iterator[np.ndarray | BadImageError]:
    """The images of ``split`` in their order, (H, W, C) uint8 after ``resizing``, or ``BadImageError``.

    A few chunks are read ahead, by threads (Pillow decodes and resizes without the interpreter lock), or by
    processes where Python itself draws the images. ``what`` names the split on the progress bar.
    """
    starts = range(0, len(split), CHUNK)
    workers = min(available_cores(), len(starts), MOST_WORKERS)
    with _executor(split, workers) as executor, _Progress(what, len(split)) as progress:
        for chunk in _in_order(executor, split, resizing, starts, ahead=2 * workers):
            progress.advance(len(chunk))
            yield from chunk


def _read_chunk(split: ImageSplit, resizing: Resizing, start: int) -> Chunk:
    images: Chunk = []
    for index in range(start, min(start + CHUNK, len(split))):
        try:
            # twice the final size: a JPEG that was reduced in decoding still looks as if it had not been
            images.append(resizing(split.read(index, min_size=2 * resizing.resize)))
        except BadImageError as bad:
            images.append(bad)
    return images


def _executor(split: ImageSplit, workers: int) -> Executor:
    # forked, as a DataLoader's workers are; a daemon (a worker of some launchers) may not have children
    may_fork = sys.platform == "linux" and not multiprocessing.current_process().daemon
    if split.drawn_by_python and may_fork and workers > 1 and len(split) >= PROCESSES_FROM:
        return ProcessPoolExecutor(workers, multiprocessing.get_context("fork"))
    return ThreadPoolExecutor(max(workers, 1))


def _in_order(executor: Executor, split: ImageSplit, resizing: Resizing, starts: range, ahead: int) -> Iterator[Chunk]:
    """Chunk after chunk, ``ahead`` of them under way; read here where the processes of ``executor`` died."""
    waiting = iter(starts)
    running: deque[tuple[int, Future[Chunk] | None]] = deque()

    def submit() -> None:
        for start in waiting:
            try:
                running.append((start, executor.submit(_read_chunk, split, resizing, start)))
            except BrokenExecutor:
                running.append((start, None))
            return

    for _ in range(ahead):
        submit()
    while running:
        start, future = running.popleft()
        try:
            chunk = _read_chunk(split, resizing, start) if future is None else future.result()
        except BrokenExecutor:
            chunk = _read_chunk(split, resizing, start)
        submit()
        yield chunk


class _Progress:
    """A bar on stderr, if that is a terminal, from `SHOW_AFTER` seconds on; it vanishes at the end."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total
        self._done = 0
        self._started = time.monotonic()
        self._hide = lambda: None
        self._show = lambda done: None
        self._may_show = sys.stderr.isatty()

    def __enter__(self) -> "_Progress":
        return self

    def advance(self, images: int) -> None:
        self._done += images
        if self._may_show and time.monotonic() - self._started > SHOW_AFTER:
            self._may_show = False
            self._start()
        self._show(self._done)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        bar = Progress(console=Console(stderr=True), transient=True)
        task = bar.add_task(f"reading the {self._what} images, once", total=self._total)
        self._show = lambda done: bar.update(task, completed=done)
        self._hide = bar.stop
        bar.start()

    def __exit__(self, *error: object) -> None:
        self._hide()
