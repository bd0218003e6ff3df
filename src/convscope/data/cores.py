"""The number of CPU cores that this process may use."""

import os
from collections.abc import Sequence
from fractions import Fraction


def usable_cores() -> frozenset[int]:
    """Return the numbers of the cores that this process is allowed to run on.

    A container, a batch job or a launcher may allow fewer cores than the machine has.
    """
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def available_cores() -> int:
    """Return how many cores this process is allowed to run on."""
    return len(usable_cores())


def cores_per_process(cores: frozenset[int], processes: Sequence[frozenset[int]]) -> int:
    """Return how many of ``cores`` a process has for itself if other processes of the machine may use them too.

    A core that k processes may use counts 1/k: cores that a launcher binds to one process alone (``srun``) count
    fully, cores that all processes may use (``torchrun``, ``srun --cpu-bind=none``) are divided. The result is at
    least 1.

    Args:
        cores: The cores that this process may use.
        processes: The cores that each process of the machine may use, this process included.
    """
    share = sum((Fraction(1, sum(core in mask for mask in processes)) for core in cores), Fraction(0))
    return max(1, int(share))
