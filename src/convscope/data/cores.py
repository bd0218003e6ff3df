"""How many CPU cores this process may use."""

import os
from collections.abc import Sequence
from fractions import Fraction


def usable_cores() -> frozenset[int]:
    """Numbers of the cores that the process is allowed to run on.

    A container, a job or whoever started the process may have given it fewer than the machine has.
    """
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def available_cores() -> int:
    """How many cores the process is allowed to run on."""
    return len(usable_cores())


def cores_per_process(cores: frozenset[int], processes: Sequence[frozenset[int]]) -> int:
    """How many of ``cores`` a process has for itself, where other processes of the machine may run on them too.

    A core that k processes may use counts 1/k: cores that a launcher gave to one process alone (``srun``) are all its
    own, those that all may use (``torchrun``, ``srun --cpu-bind=none``) are divided. At least 1.

    Args:
        cores: Of this process.
        processes: The cores of each process of the machine, this one's among them.
    """
    own = sum((Fraction(1, sum(core in mask for mask in processes)) for core in cores), Fraction(0))
    return max(1, int(own))
