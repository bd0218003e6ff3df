"""What each override of `convscope.tasks.hot_path` saves of a training step of LeNet-5, the smallest network.

Both sides are the pipeline; the peer lacks one override. They take turns every few steps of one training: two processes
differ by more than an override saves. The batch is small, since what an override saves does not depend on it.
"""

import multiprocessing
import statistics
import time
from typing import Any

from benchmarks.row import Row, row_of_times
from benchmarks.training_step import CASES, prepare_training

# Override: the class or function that has it, by its name in `hot_path` or `Classification`, and its attribute there.
OVERRIDES = {
    "hot_path/plain_attributes": ("HotPath", "__setattr__"),
    "hot_path/zero_grad": ("HotPath", "optimizer_zero_grad"),
    "hot_path/signature": ("training_step", "__signature__"),
    "hot_path/profiler": ("NoProfiler", "profile"),
}
NAMES = list(OVERRIDES)
GOAL = 0.98  # an override that saves less goes
BATCH = 8
TURN = 20  # steps
PAIRS = 60  # of turns with and without the override


def measure(name: str) -> Row:
    """Measure the seconds per step with an override and without it."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # the allocator's settings hold for a whole process
        ours, peer = pool.apply(_train, OVERRIDES[name])
    return row_of_times(name, ours, peer, "s/step", GOAL)


def _train(owner: str, attribute: str) -> tuple[list[float], list[float]]:
    """Train for an epoch; return the median seconds of the steps of each turn with the override, and without."""
    case = {key: value for key, value in CASES["training_step/overhead/lenet5_batch64"].items() if key != "goal"}
    train = prepare_training(**case | {"batch": BATCH, "batches": 2 * TURN * PAIRS})

    from pytorch_lightning.callbacks import Callback

    from convscope.tasks import hot_path
    from convscope.tasks.classification import Classification

    holder = getattr(hot_path, owner, None) or getattr(Classification, owner)
    override = vars(holder)[attribute]
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
                present = attribute in vars(holder)
                (ours if present else peer).append(statistics.median(self.seconds))
                self.seconds.clear()
                if present:
                    delattr(holder, attribute)
                else:
                    setattr(holder, attribute, override)
            self.started = time.perf_counter()

    train(Turns())
    return ours[1:], peer[1:]  # without the first turns, which fill the caches
