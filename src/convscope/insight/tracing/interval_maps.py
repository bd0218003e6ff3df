"""Interval maps: which input indices each unit along an axis sees, in exact integer arithmetic.

A unit sees an interval of the input: first to last index. Along most axes the intervals of neighbouring units are
shifts of each other, and two numbers and a stride describe them (Araujo, Norris & Sim 2019, "Computing receptive
fields of convolutional neural networks", section 2). Resampling, holes and windows break that: then the intervals
repeat after a period, and a map holds the intervals of one period. Borders are ignored: units are numbered without
end in both directions, so that a network's field is that of a unit far from the border, however small the input is.

In the functions below, ``below`` is the map of an operation's argument, and the result is that of its output.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

Interval = tuple[int, int]
EMPTY: Interval = (1 << 60, -(1 << 60))  # sees nothing: the neutral element when intervals are joined
Taps = Callable[[int], Interval]  # from an output index to the first and last argument unit that it reads
Resampling = Literal["nearest", "nearest_exact", "linear", "cubic", "linear_antialias", "cubic_antialias", "adaptive"]


@dataclass(frozen=True, slots=True)
class IntervalMap:
    """Says that unit q·P + r sees the indices ``first[r] + q·shift`` to ``last[r] + q·shift``, P being ``len(first)``.

    Attributes:
        first: First index that each unit of one period sees.
        last: Last index that each unit of one period sees.
        shift: Indices from one period to the next.
    """

    first: tuple[int, ...]
    last: tuple[int, ...]
    shift: int

    def __getitem__(self, unit: int) -> Interval:
        periods, phase = divmod(unit, len(self.first))
        return _moved((self.first[phase], self.last[phase]), periods * self.shift)

    @property
    def stride(self) -> Fraction:
        """Average number of input indices between neighbouring units."""
        return Fraction(self.shift, len(self.first))

    @property
    def size(self) -> int:
        """Largest number of input indices, from the first to the last, that a unit sees."""
        return max((b - a + 1 for a, b in zip(self.first, self.last, strict=True) if a <= b), default=0)

    @property
    def offset(self) -> Fraction:
        """Input index of the centre of unit 0's interval; a half lies between two indices."""
        first, last = self[0]
        return Fraction(first + last, 2) if first <= last else Fraction(0)

    @property
    def padding(self) -> int:
        """Number of indices before the start of the input that unit 0 sees."""
        return max(0, -self.first[0]) if self.first[0] <= self.last[0] else 0


IDENTITY = IntervalMap((0,), (0,), 1)


def periodic(intervals: Sequence[Interval], shift: int) -> IntervalMap:
    """Return the map, of the shortest period, whose units see ``intervals``, then the same moved by ``shift``, ..."""
    count = len(intervals)
    for period in range(1, count // 2 + 1):
        if count % period or shift * period % count:
            continue
        step = shift * period // count
        if all(_moved(a, step) == b for a, b in zip(intervals, intervals[period:], strict=False)):
            intervals, shift = intervals[:period], step
            break
    return IntervalMap(tuple(a for a, _ in intervals), tuple(b for _, b in intervals), shift)


@lru_cache(maxsize=4096)
def window(below: IntervalMap, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> IntervalMap:
    """Return the map of a convolution, pooling or slice.

    Unit j sees what units j·stride − padding + dilation·t of ``below`` see, for 0 ≤ t < kernel.
    """
    if len(below.first) == 1 and below.shift >= 0:
        first = below.first[0] - padding * below.shift
        last = below.last[0] + (dilation * (kernel - 1) - padding) * below.shift
        return IntervalMap((first,), (last,), stride * below.shift)
    period = len(below.first) // math.gcd(len(below.first), stride)
    intervals = [
        _joined(below[j * stride - padding + dilation * t] for t in range(kernel)) for j in range(period)
    ]  # fmt: skip
    return periodic(intervals, below.shift * (period * stride // len(below.first)))


@lru_cache(maxsize=1024)
def transposed_window(below: IntervalMap, kernel: int, stride: int, padding: int, dilation: int) -> IntervalMap:
    """Return the map of a transposed convolution.

    Unit j sees what the units i of ``below`` see for which i·stride − padding + dilation·t = j for some 0 ≤ t < kernel.
    If there is none, it sees nothing.
    """
    intervals = []
    for j in range(stride * len(below.first)):
        positions = (j + padding - dilation * t for t in range(kernel))
        intervals.append(_joined(below[position // stride] for position in positions if position % stride == 0))
    return periodic(intervals, below.shift)


@lru_cache(maxsize=1024)
def resampled(below: IntervalMap, ratio: Fraction, kind: Resampling, aligned: bool = False) -> IntervalMap:
    """Return the map of an interpolation or adaptive pooling with ``ratio`` units of ``below`` per output unit.

    ``aligned`` is ``align_corners`` of ``torch.nn.functional.interpolate``.
    """
    taps = _taps(ratio, kind, aligned)
    period = ratio.denominator * (len(below.first) // math.gcd(len(below.first), ratio.numerator))
    intervals = []
    for j in range(period):
        lowest, highest = taps(j)
        intervals.append(_joined(below[i] for i in range(lowest, highest + 1)))
    return periodic(intervals, below.shift * int(ratio * period) // len(below.first))


@lru_cache(maxsize=4096)
def joined(one: IntervalMap, other: IntervalMap, length: int) -> IntervalMap:
    """Return the map whose ``length`` units see what they see in either map, as after the sum of two branches."""
    if one == other:
        return one
    if one.stride == other.stride:
        period = math.lcm(len(one.first), len(other.first))
        return periodic([_joined((one[j], other[j])) for j in range(period)], int(one.stride * period))
    # Branches that were resampled to one length from lengths of which none divides the other.
    return periodic([_joined((one[j], other[j])) for j in range(length)], round(one.stride * length))


def from_intervals(intervals: Sequence[Interval], stride: Fraction) -> IntervalMap:
    """Return the map whose units see ``intervals``, repeated beyond them with ``stride`` indices per unit."""
    return periodic(intervals, round(stride * len(intervals)))


def _moved(interval: Interval, by: int) -> Interval:
    """Return an interval shifted by ``by`` indices; EMPTY stays EMPTY."""
    return interval if interval == EMPTY else (interval[0] + by, interval[1] + by)


def _joined(intervals: Iterable[Interval]) -> Interval:
    """Return the smallest interval that contains all ``intervals``."""
    first, last = EMPTY
    for a, b in intervals:
        first, last = min(first, a), max(last, b)
    return first, last


def _taps(ratio: Fraction, kind: Resampling, aligned: bool) -> Taps:
    """Return which units an output unit reads in ``torch.nn.functional.interpolate`` or ``adaptive_avg_pool2d``."""

    def source(j: int) -> Fraction:
        return j * ratio if aligned else (j + Fraction(1, 2)) * ratio - Fraction(1, 2)

    def antialiased(j: int) -> Interval:
        support = max(ratio, Fraction(1)) * (1 if kind == "linear_antialias" else 2)
        centre = (j + Fraction(1, 2)) * ratio
        return math.floor(centre - support + Fraction(1, 2)), math.floor(centre + support + Fraction(1, 2)) - 1

    match kind:
        case "nearest":
            return lambda j: (math.floor(j * ratio),) * 2
        case "nearest_exact":
            return lambda j: (math.floor((j + Fraction(1, 2)) * ratio),) * 2
        case "adaptive":
            return lambda j: (math.floor(j * ratio), math.ceil((j + 1) * ratio) - 1)
        case "linear":
            return lambda j: (math.floor(source(j)), math.ceil(source(j)))
        case "cubic":
            return lambda j: (math.floor(source(j)) - 1, math.floor(source(j)) + 2)
    return antialiased
