"""What the tuned allocator saves in time and costs in memory: the same training steps with and without it."""

import time
from collections.abc import Callable
from typing import Any

from benchmarks.memory import peak_mib
from benchmarks.paired import take_turns
from benchmarks.row import Row, row_of_times

STEPS, BATCH, SIZE, CLASSES = 4, 32, 224, 10
SPEED, MEMORY = "allocator/step_efficientnet_lite_224px_batch32", "allocator/memory_efficientnet_lite_224px_batch32"
GOALS = {SPEED: 0.8, MEMORY: 1.25}
NAMES = list(GOALS)


def measure(name: str) -> Row:
    """Measure the seconds of a training step, or its peak memory in GiB: tuned settings over the system's."""
    unit = {SPEED: "s", MEMORY: "GiB"}[name]
    sides = [(side, {"tuned": tuned, "memory": name == MEMORY}) for tuned in (True, False)]
    return row_of_times(name, *take_turns(*sides, rounds=5), unit, GOALS[name])


def side(tuned: bool, memory: bool) -> Callable[[], float]:
    """Prepare training steps in a process that has its allocator settings from the start."""
    if tuned:
        from convscope.engine.allocator import tune_allocator

        tune_allocator()
    import timm
    import torch
    import torch.nn.functional as F

    torch.manual_seed(0)
    network: Any = timm.create_model("tf_efficientnet_lite0", num_classes=CLASSES).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    images, labels = torch.randn(BATCH, 3, SIZE, SIZE), torch.randint(0, CLASSES, (BATCH,))

    def run() -> float:
        started = time.perf_counter()
        for _ in range(STEPS):
            optimizer.zero_grad()
            F.cross_entropy(network(images), labels).backward()
            optimizer.step()
        seconds = (time.perf_counter() - started) / STEPS
        return peak_mib() / 1024 if memory else seconds

    return run
