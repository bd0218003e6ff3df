"""Reads and resizes all images of a split, on all cores, with a progress bar if that takes long."""

import multiprocessing
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np

from convscope.data.cores import available_cores
from convscope.data.images.image_source import BadImageError, ImageSplit
from convscope.data.images.resizing import Resizing
from convscope.data.progress import Progress

CHUNK = 16  # images that a worker reads at a time
MAX_WORKERS = 16
PROCESSES_FROM = 200  # images; drawing fewer takes less time than starting processes

Chunk = list[np.ndarray | BadImageError]


def read_resized(split: ImageSplit, resizing: Resizing, split_name: str) -> Iterator[np.ndarray | BadImageError]:
    """Yield the images of ``split`` in order, (H, W, C) uint8 after ``resizing``, or a `BadImageError` if unreadable.
    A few chunks are read ahead: by threads, because Pillow decodes and resizes without the interpreter lock; or by
    processes, if Python itself draws the images.

    Args:
        split: The images.
        resizing: How they are resized.
        split_name: Name of the split, for the progress bar.
    """
    starts = range(0, len(split), CHUNK)
    workers = min(available_cores(), len(starts), MAX_WORKERS)
    with (
        _executor(split, workers) as executor,
        Progress(f"decoding the {split_name} images (first use only)", len(split)) as progress,
    ):
        for chunk in _in_order(executor, split, resizing, starts, ahead=2 * workers):
            progress.advance(len(chunk))
            yield from chunk


def _read_chunk(split: ImageSplit, resizing: Resizing, start: int) -> Chunk:
    images: Chunk = []
    for index in range(start, min(start + CHUNK, len(split))):
        try:
            # A JPEG that is decoded at no less than twice the final size looks the same as one decoded at full size.
            images.append(resizing(split.read(index, min_size=2 * resizing.resize)))
        except BadImageError as bad:
            images.append(bad)
    return images


def _executor(split: ImageSplit, workers: int) -> Executor:
    # Processes are forked, as a DataLoader's workers are. A daemon (a worker of some launchers) may not have children.
    may_fork = sys.platform == "linux" and not multiprocessing.current_process().daemon
    if split.holds_gil and may_fork and workers > 1 and len(split) >= PROCESSES_FROM:
        return ProcessPoolExecutor(workers, multiprocessing.get_context("fork"))
    return ThreadPoolExecutor(max(workers, 1))


def _in_order(executor: Executor, split: ImageSplit, resizing: Resizing, starts: range, ahead: int) -> Iterator[Chunk]:
    """Yield the chunks in order, with ``ahead`` of them submitted; read them here if the executor's processes died."""
    remaining = iter(starts)
    running: deque[tuple[int, Future[Chunk] | None]] = deque()

    def submit() -> None:
        for start in remaining:
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
