"""Which input indices each unit along an axis sees, on the endless line of units, in whole numbers.

A unit sees an interval of the input: first to last index. Along most axes the intervals of neighbouring units are
shifts of each other, and two numbers and a stride say all (Araujo, Norris & Sim 2019, "Computing receptive fields of
convolutional neural networks", section 2). Resampling, holes and windows break that: then the intervals repeat after
a period, and a map holds the intervals of one period. Borders are left out: the line of units has no end, so that
the field of a network is that of a unit far from the border, however small the input is.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

Interval = tuple[int, int]
NOTHING: Interval = (1 << 60, -(1 << 60))  # neutral when intervals are joined
Taps = Callable[[int], Interval]  # from an output index to its first and last unit of the line below
Resampling = Literal["nearest", "nearest_exact", "linear", "cubic", "linear_antialias", "cubic_antialias", "adaptive"]


@dataclass(frozen=True, slots=True)
class IntervalMap:
    """Unit q·P + r sees ``first[r] + q·shift`` to ``last[r] + q·shift``, with P the length of ``first``."""

    first: tuple[int, ...]
    last: tuple[int, ...]
    shift: int

    def __getitem__(self, unit: int) -> Interval:
        periods, phase = divmod(unit, len(self.first))
        return _moved((self.first[phase], self.last[phase]), periods * self.shift)

    @property
    def stride(self) -> Fraction:
        """Input indices from a unit to the next, on average."""
        return Fraction(self.shift, len(self.first))

    @property
    def size(self) -> int:
        """Input indices that a unit sees: of the unit that sees most, the largest."""
        return max((b - a + 1 for a, b in zip(self.first, self.last, strict=True) if a <= b), default=0)

    @property
    def offset(self) -> Fraction:
        """Input index of the centre of unit 0's interval; half indices lie between two."""
        first, last = self[0]
        return Fraction(first + last, 2) if first <= last else Fraction(0)

    @property
    def padding(self) -> int:
        """How many indices unit 0 sees before the first of the input."""
        return max(0, -self.first[0]) if self.first[0] <= self.last[0] else 0


IDENTITY = IntervalMap((0,), (0,), 1)


def periodic(intervals: Sequence[Interval], shift: int) -> IntervalMap:
    """The map whose units see ``intervals``, then the same again moved by ``shift``, by its shortest period."""
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
    """Unit j sees what the units j·stride − padding + dilation·t, t < kernel, see: convolution, pooling, slicing."""
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
    """Unit j sees the units i with i·stride − padding + dilation·t = j for a t < kernel; between them, nothing."""
    intervals = []
    for j in range(stride * len(below.first)):
        reached = (j + padding - dilation * t for t in range(kernel))
        intervals.append(_joined(below[place // stride] for place in reached if place % stride == 0))
    return periodic(intervals, below.shift)


@lru_cache(maxsize=1024)
def resampled(below: IntervalMap, ratio: Fraction, kind: Resampling, aligned: bool = False) -> IntervalMap:
    """Interpolation or adaptive pooling of ``ratio`` units below to a unit; ``aligned``: corners lie on corners."""
    taps = _taps(ratio, kind, aligned)
    period = ratio.denominator * (len(below.first) // math.gcd(len(below.first), ratio.numerator))
    intervals = []
    for j in range(period):
        lowest, highest = taps(j)
        intervals.append(_joined(below[i] for i in range(lowest, highest + 1)))
    return periodic(intervals, below.shift * int(ratio * period) // len(below.first))


@lru_cache(maxsize=4096)
def joined(one: IntervalMap, other: IntervalMap, length: int) -> IntervalMap:
    """Each of ``length`` units sees what it sees in either map: the sum of two branches, or their channels."""
    if one == other:
        return one
    if one.stride == other.stride:
        period = math.lcm(len(one.first), len(other.first))
        return periodic([_joined((one[j], other[j])) for j in range(period)], int(one.stride * period))
    # Branches that were resampled to one length from lengths that do not divide each other.
    return periodic([_joined((one[j], other[j])) for j in range(length)], round(one.stride * length))


def listed(intervals: Sequence[Interval], stride: Fraction) -> IntervalMap:
    """Units with these intervals, one after the other; beyond them it goes on as before."""
    return periodic(intervals, round(stride * len(intervals)))


def _moved(interval: Interval, by: int) -> Interval:
    return interval if interval == NOTHING else (interval[0] + by, interval[1] + by)


def _joined(intervals: Iterable[Interval]) -> Interval:
    first, last = NOTHING
    for a, b in intervals:
        first, last = min(first, a), max(last, b)
    return first, last


def _taps(ratio: Fraction, kind: Resampling, aligned: bool) -> Taps:
    """The taps of PyTorch's kernels (``torch.nn.functional.interpolate``, ``adaptive_avg_pool2d``)."""

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
