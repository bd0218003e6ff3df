"""``python dying.py MOMENT COUNT OVERRIDES...``: run ``convscope train OVERRIDES`` until the process kills itself.

MOMENT says where SIGKILL comes: before a training step, after one, before a batch of a validation, or before a
checkpoint that was written is moved to its place. COUNT is the number of such moments before the one that kills.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

MOMENTS = {"step": 60, "stepped": 60, "validation": 6, "checkpoint": 8}  # and how many of each about three epochs have


def dies_at(count: int, function: Callable[..., Any], *, after: bool = False) -> Callable[..., Any]:
    """Return ``function``, wrapped so that its call number ``count`` (from 0) kills the process."""
    calls = -1

    def dying(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments, **named)
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return dying


def main(moment: str, count: int, overrides: list[str]) -> None:
    from convscope.cli.main import main as command
    from convscope.tasks.image_classification import ImageClassification as Task

    match moment:
        case "step":
            Task.training_step = dies_at(count, Task.training_step)  # type: ignore[method-assign]
        case "stepped":
            Task.optimizer_step = dies_at(count, Task.optimizer_step, after=True)  # type: ignore[method-assign]
        case "validation":
            Task.validation_step = dies_at(count, Task.validation_step)  # type: ignore[method-assign]
        case "checkpoint":
            replace, dying = os.replace, dies_at(count, os.replace)
            os.replace = lambda here, there: (dying if str(there).endswith(".ckpt") else replace)(here, there)
    command(["train", *overrides])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
