"""One line of the table: ours against a peer."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A measurement of ours and of a peer.

    Attributes:
        benchmark: Name of the row.
        ours: Our measurement, in ``unit``.
        peer: The peer's measurement, in ``unit``.
        unit: As in ``s/step``.
        ratio: What ``goal`` bounds: from above for times or sizes, from below for speeds.
        goal: The bound of ``ratio``.
        met: Whether ``ratio`` is within the bound.
    """

    benchmark: str
    ours: float
    peer: float
    unit: str
    ratio: float
    goal: float
    met: bool


def row_of_times(name: str, ours: Sequence[float], peer: Sequence[float], unit: str, goal: float) -> Row:
    """Return a row whose ratio, ours over the peer's as the median of paired runs, should be at most ``goal``."""
    ratio = statistics.median(a / b for a, b in zip(ours, peer, strict=True))
    return Row(
        name, round(statistics.median(ours), 4), round(statistics.median(peer), 4), unit, round(ratio, 4), goal,
        ratio <= goal,
    )  # fmt: skip


def row_of_speeds(name: str, ours: Sequence[float], peer: Sequence[float], unit: str, goal: float) -> Row:
    """Return a row whose ratio, ours over the peer's as the median of paired runs, should be at least ``goal``."""
    ratio = statistics.median(a / b for a, b in zip(ours, peer, strict=True))
    return Row(
        name, round(statistics.median(ours), 4), round(statistics.median(peer), 4), unit, round(ratio, 4), goal,
        ratio >= goal,
    )  # fmt: skip
