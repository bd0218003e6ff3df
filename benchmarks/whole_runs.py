"""What it costs to be seen and to be looked into: whole trainings, side by side.

- ``logging``: with every tracker on, against the same with ``logger=csv``. Both sides read the same caches, which are
  filled before the clock runs; wandb is offline, MLflow on SQLite.
- ``looking``: with the default callbacks, against ``callbacks=none``. Each run begins with empty caches, as the first
  of a new user does.

Whole processes, since a tracker's start (its imports, its database, its service) is a part of its price.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.row import Row, row_of_times


@dataclass(frozen=True)
class Case:
    """Two ways of the same training, ``seen`` and ``unseen``, and how often each is run."""

    words: tuple[str, ...]
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    rounds: int
    goal: float
    warm: bool


EVERY_TRACKER = ("logger=[wandb,tensorboard,mlflow]",)
CASES = {
    "logging/everything_on/default_run": Case((), EVERY_TRACKER, ("logger=csv",), 5, 1.03, warm=True),
    # Most of the price is paid once, so that it is less of a longer run.
    "logging/everything_on/resnet": Case(("model=resnet",), EVERY_TRACKER, ("logger=csv",), 2, 1.03, warm=True),
    "looking/default_callbacks/default_run": Case((), (), ("callbacks=none",), 3, 1.05, warm=False),
}
NAMES = list(CASES)


def measure(name: str) -> Row:
    """Seconds of both sides, taking turns."""
    case = CASES[name]
    seconds: dict[tuple[str, ...], list[float]] = {case.seen: [], case.unseen: []}
    with tempfile.TemporaryDirectory() as folder:
        if case.warm:
            _run(Path(folder), "shared", (*case.words, *case.unseen))
        for turn in range(case.rounds):
            for side in (case.seen, case.unseen) if turn % 2 == 0 else (case.unseen, case.seen):
                cache = "shared" if case.warm else f"run{sum(map(len, seconds.values()))}"
                seconds[side].append(_run(Path(folder), cache, (*case.words, *side)))
    return row_of_times(name, seconds[case.seen], seconds[case.unseen], "s/run", case.goal)


def _run(folder: Path, cache: str, words: tuple[str, ...]) -> float:
    environment = os.environ | {
        "CONVSCOPE_CACHE": str(folder / "caches" / cache),
        "WANDB_MODE": "offline",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
    }
    command = [sys.executable, "-m", "convscope", "train", f"outputs={folder / 'outputs'}", *words]
    start = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start
