"""What it costs to be seen: a whole training with every tracker on, against the same with ``logger=csv``.

Whole processes, since a tracker's start (its imports, its database, its service) is a part of its price. Both sides
read the same cache, which is filled before the clock runs; wandb is offline, MLflow on SQLite.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.row import Row, row_of_times

# What is trained, and the pairs of runs: most of the price is paid once, so that it is less of a longer run.
CASES: dict[str, tuple[list[str], int]] = {
    "logging/everything_on/default_run": ([], 5),
    "logging/everything_on/resnet": (["model=resnet"], 2),
}
NAMES = list(CASES)
GOAL = 1.03
EVERYTHING, NOTHING = "logger=[wandb,tensorboard,mlflow]", "logger=csv"


def measure(name: str) -> Row:
    """Seconds of both sides, taking turns."""
    words, rounds = CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        _run(Path(folder), [*words, NOTHING])
        seconds: dict[str, list[float]] = {EVERYTHING: [], NOTHING: []}
        for turn in range(rounds):
            for logger in (EVERYTHING, NOTHING) if turn % 2 == 0 else (NOTHING, EVERYTHING):
                seconds[logger].append(_run(Path(folder), [*words, logger]))
    return row_of_times(name, seconds[EVERYTHING], seconds[NOTHING], "s/run", GOAL)


def _run(folder: Path, words: list[str]) -> float:
    environment = os.environ | {"CONVSCOPE_CACHE": str(folder / "cache"), "WANDB_MODE": "offline"}
    command = [sys.executable, "-m", "convscope", "train", f"outputs={folder / 'outputs'}", *words]
    start = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start
