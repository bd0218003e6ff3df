"""What trackers and analyses cost: whole trainings with and without them.

- ``logging``: with every tracker on, against ``logger=csv``. Both sides read the same caches, which are filled before
  the clock starts; wandb is offline, MLflow uses SQLite.
- ``looking``: with the default callbacks, against ``callbacks=none``. Each run begins with empty caches, as the
  first run of a new user does.

Each run is a process of its own, since a tracker's start (its imports, its database, its service) is part of its cost.
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
    """A training with and without what is measured.

    Attributes:
        overrides: Of both sides.
        measured: Further overrides of the side whose cost is measured.
        baseline: Further overrides of the side it is compared with.
        rounds: How often each side is run.
        goal: The highest acceptable ratio of the seconds.
        warm: Whether all runs share one cache, which is filled before the first of them.
    """

    overrides: tuple[str, ...]
    measured: tuple[str, ...]
    baseline: tuple[str, ...]
    rounds: int
    goal: float
    warm: bool


EVERY_TRACKER = ("logger=[wandb,tensorboard,mlflow]",)
CASES = {
    "logging/everything_on/default_run": Case((), EVERY_TRACKER, ("logger=csv",), 5, 1.03, warm=True),
    # Most of the cost arises once, so that it is a smaller part of a longer run.
    "logging/everything_on/resnet": Case(("model=resnet",), EVERY_TRACKER, ("logger=csv",), 2, 1.03, warm=True),
    "looking/default_callbacks/default_run": Case((), (), ("callbacks=none",), 3, 1.05, warm=False),
}
NAMES = list(CASES)


def measure(name: str) -> Row:
    """Measure the seconds of both sides, which take turns."""
    case = CASES[name]
    seconds: dict[tuple[str, ...], list[float]] = {case.measured: [], case.baseline: []}
    with tempfile.TemporaryDirectory() as folder:
        if case.warm:
            _run(Path(folder), "shared", (*case.overrides, *case.baseline))
        for turn in range(case.rounds):
            for side in (case.measured, case.baseline) if turn % 2 == 0 else (case.baseline, case.measured):
                cache = "shared" if case.warm else f"run{sum(map(len, seconds.values()))}"
                seconds[side].append(_run(Path(folder), cache, (*case.overrides, *side)))
    return row_of_times(name, seconds[case.measured], seconds[case.baseline], "s/run", case.goal)


def _run(folder: Path, cache: str, overrides: tuple[str, ...]) -> float:
    environment = os.environ | {
        "CONVSCOPE_CACHE": str(folder / "caches" / cache),
        "WANDB_MODE": "offline",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
    }
    command = [sys.executable, "-m", "convscope", "train", f"outputs={folder / 'outputs'}", *overrides]
    start = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start
