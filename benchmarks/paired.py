"""Two processes that take turns, so that both sides meet the same moods of the machine.

A process each, because some of what is compared (the allocator's settings) holds for a whole process.
"""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


def _serve(pipe: Connection, prepare: Callable[..., Callable[[], float]], arguments: dict[str, Any]) -> None:
    try:
        run = prepare(**arguments)
        run()  # not counted: caches, first allocations, just-in-time kernels
        pipe.send("ready")
        while pipe.recv():
            pipe.send(run())
    except EOFError:
        pass


def take_turns(
    ours: tuple[Callable[..., Callable[[], float]], dict[str, Any]],
    peer: tuple[Callable[..., Callable[[], float]], dict[str, Any]],
    rounds: int = 7,
) -> tuple[list[float], list[float]]:
    """Seconds of each round of both sides.

    Args:
        ours: A function of this module's importers and its arguments: it prepares, and returns a function that
            runs once and returns its seconds.
        peer: The same for the other side.
        rounds: Pairs of runs; the order within a pair alternates.
    """
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for prepare, arguments in (ours, peer):
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, prepare, arguments), daemon=True)
        process.start()
        there.close()
        if here.recv() != "ready":
            raise RuntimeError("a side of the comparison could not start")
        pipes.append(here)
        processes.append(process)
    seconds: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds):
        for side in (0, 1) if turn % 2 == 0 else (1, 0):
            pipes[side].send(True)
            seconds[side].append(pipes[side].recv())
    for pipe, process in zip(pipes, processes, strict=True):
        pipe.send(False)
        process.join(30)
    return seconds
