"""One line of the table: ours against a peer."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """``ratio`` is what ``goal`` bounds: from above where it is of times or sizes, from below where it is of speeds."""

    benchmark: str
    ours: float
    peer: float
    unit: str
    ratio: float
    goal: float
    met: bool


def row_of_times(name: str, ours: Sequence[float], peer: Sequence[float], unit: str, goal: float) -> Row:
    """Ours over the peer's, the median of the ratios of paired runs; at most ``goal`` is wanted."""
    ratio = statistics.median(a / b for a, b in zip(ours, peer, strict=True))
    return Row(
        name, round(statistics.median(ours), 4), round(statistics.median(peer), 4), unit, round(ratio, 4), goal,
        ratio <= goal,
    )  # fmt: skip


def row_of_speeds(name: str, ours: Sequence[float], peer: Sequence[float], unit: str, goal: float) -> Row:
    """Ours over the peer's, the median of the ratios of paired runs; at least ``goal`` is wanted."""
    ratio = statistics.median(a / b for a, b in zip(ours, peer, strict=True))
    return Row(
        name, round(statistics.median(ours), 4), round(statistics.median(peer), 4), unit, round(ratio, 4), goal,
        ratio >= goal,
    )  # fmt: skip
