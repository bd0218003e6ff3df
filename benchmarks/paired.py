"""Run the sides of a comparison in processes that take turns, so that all meet the same load of the machine.

Each side has its own process, because some of what is compared (the allocator's settings) holds for a whole process.
"""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


def _serve(
    pipe: Connection, prepare: Callable[..., Callable[[], float]], arguments: dict[str, Any], warm_up: bool
) -> None:
    try:
        run = prepare(**arguments)
        if warm_up:
            run()  # not counted: caches, first allocations, just-in-time kernels
        pipe.send("ready")
        while pipe.recv():
            pipe.send(run())
    except EOFError:
        pass


def take_turns(
    *sides: tuple[Callable[..., Callable[[], float]], dict[str, Any]], rounds: int = 7, warm_up: bool = True
) -> tuple[list[float], ...]:
    """Return what each side measured in each round, usually seconds.

    Args:
        sides: For each side a function of a module and its keyword arguments. The function prepares, and returns a
            function that runs once and returns its seconds.
        rounds: Number of turns of all sides; every other one is in the reverse order.
        warm_up: Whether each side runs once before it counts; false if its function has done that already.

    Raises:
        RuntimeError: A side could not start.
    """
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for prepare, arguments in sides:
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, prepare, arguments, warm_up), daemon=True)
        process.start()
        there.close()
        if here.recv() != "ready":
            raise RuntimeError("a side of the comparison could not start")
        pipes.append(here)
        processes.append(process)
    seconds: tuple[list[float], ...] = tuple([] for _ in sides)
    numbers = range(len(sides))
    for turn in range(rounds):
        for side in numbers if turn % 2 == 0 else reversed(numbers):
            pipes[side].send(True)
            seconds[side].append(pipes[side].recv())
    for pipe, process in zip(pipes, processes, strict=True):
        pipe.send(False)
        process.join(30)
    return seconds
