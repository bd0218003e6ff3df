"""What each override of `convscope.tasks.hot_path` saves of a training step of LeNet-5, the smallest network.

Both sides are the pipeline; the peer lacks one override. They take turns every few steps of one training: two processes
differ by more than an override saves, and so does a minute from the next. The batch is small, since what an override
saves does not depend on it.
"""

import multiprocessing
import statistics
import time
from typing import Any

from benchmarks.row import Row, row_of_times
from benchmarks.training_step import CASES, prepare_training

OVERRIDES = {"hot_path/plain_attributes": "__setattr__"}
NAMES = list(OVERRIDES)
GOAL = 0.98  # an override that saves less goes
BATCH = 8
TURN = 10  # steps
PAIRS = 400  # of turns with and without the override; their median has a standard error of about 0.5 %


def measure(name: str) -> Row:
    """Measure the seconds per step with an override and without it."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # the allocator's settings hold for a whole process
        ours, peer = pool.apply(_train, [OVERRIDES[name]])
    return row_of_times(name, ours, peer, "s/step", GOAL)


def _train(attribute: str) -> tuple[list[float], list[float]]:
    """Train for an epoch; return the median seconds of the steps of each turn with the override, and without."""
    case = {key: value for key, value in CASES["training_step/overhead/lenet5_batch64"].items() if key != "goal"}
    train = prepare_training(**case | {"batch": BATCH, "batches": 2 * TURN * PAIRS})

    from pytorch_lightning.callbacks import Callback

    from convscope.tasks.hot_path import HotPath

    override = vars(HotPath)[attribute]
    ours: list[float] = []
    peer: list[float] = []

    class Turns(Callback):
        """Removes the override after every other turn, and restores it after the next."""

        def on_train_epoch_start(self, *_: Any) -> None:
            self.seconds: list[float] = []
            self.started = time.perf_counter()

        def on_train_batch_end(self, *_: Any) -> None:
            self.seconds.append(time.perf_counter() - self.started)
            if len(self.seconds) == TURN:
                present = attribute in vars(HotPath)
                (ours if present else peer).append(statistics.median(self.seconds))
                self.seconds.clear()
                if present:
                    delattr(HotPath, attribute)
                else:
                    setattr(HotPath, attribute, override)
            self.started = time.perf_counter()

    train(Turns())
    return ours[1:], peer[1:]  # without the first turns, which fill the caches
