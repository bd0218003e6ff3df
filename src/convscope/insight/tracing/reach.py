"""The reach of a tensor inside a network: which dimension runs along which input axis, and what each unit sees.

A dimension is a product of factors, outermost first: after ``x.flatten(2)`` one dimension holds rows and columns,
after a partition into windows two dimensions hold the rows. A factor is (axis, size, weight): each of its ``size``
steps is ``weight`` units along the input axis, as a digit has a place value. Axis -1 is none: batch and channels.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from convscope.insight.tracing.endings import NO_ENDINGS, Endings, final_axes, without_axes
from convscope.insight.tracing.interval_maps import IDENTITY, IntervalMap, from_intervals, joined, window

Factor = tuple[int, int, int]
Dimension = tuple[Factor, ...]
Layout = tuple[Dimension, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """The input axes that a tensor's dimensions run along, and what its units see.

    Attributes:
        layout: The factors of each dimension.
        maps: For each input axis, which input indices each unit along it sees; None: each sees all of the axis.
        context: Whether units also see all of the input, by gates (squeeze-and-excitation) or statistics (group norm).
        resized: Whether adaptive pooling of another size made these positions: their field depends on the input's size.
        padded: Axes that were padded since the last window.
        endings: Windows that covered all of an axis; unless another window follows, their units see everything.
    """

    layout: Layout
    maps: tuple[IntervalMap | None, ...]
    context: bool = False
    resized: bool = False
    padded: frozenset[int] = frozenset()
    endings: Endings = NO_ENDINGS

    @property
    def spatial(self) -> bool:
        """Whether it is a feature map: each unit sees a part of the input, and positions are not mixed with channels.

        A ``resized`` map is none: its field depends on the input's size as much as on the network.
        """
        return (
            not self.resized
            and None not in self.maps
            and not any(
                axes_in([dimension]) and any(axis < 0 and size > 1 for axis, size, _ in dimension)
                for dimension in self.layout
            )
        )


def reach_of_input(shape: Sequence[int], axes: Sequence[int]) -> Reach:
    """Return the reach of an input of ``shape`` whose dimensions ``axes`` are the input axes, in that order."""
    axis_of = {dimension: axis for axis, dimension in enumerate(axes)}
    layout = tuple(((axis_of.get(d, -1), n, 1 if d in axis_of else 0),) for d, n in enumerate(shape))
    return Reach(layout, (IDENTITY,) * len(axes))


def unmapped(size: int) -> Dimension:
    """Return a dimension of ``size`` that runs along no input axis, such as batch or channels."""
    return ((-1, size, 0),)


def extent(dimension: Dimension) -> int:
    """Return the size of a dimension."""
    return math.prod(size for _, size, _ in dimension)


def axes_in(dimensions: Iterable[Dimension]) -> set[int]:
    """Return the input axes that run along ``dimensions``, also those of a single position."""
    return {axis for dimension in dimensions for axis, _, _ in dimension if axis >= 0}


def factors_along(layout: Layout, axis: int) -> tuple[tuple[int, int], ...]:
    """Return size and weight of all factors along ``axis`` that have more than one position, sorted."""
    return tuple(
        sorted((n, weight) for dimension in layout for a, n, weight in dimension if a == axis and n > 1)
    )  # fmt: skip


def length_along(layout: Layout, axis: int) -> int:
    """Return the number of positions along ``axis``."""
    return math.prod(size for size, _ in factors_along(layout, axis))


def seeing_all(reach: Reach, axes: Iterable[int]) -> Reach:
    """Return ``reach`` with each unit seeing all of ``axes``."""
    chosen = set(axes)
    return replace(reach, maps=tuple(None if a in chosen else m for a, m in enumerate(reach.maps)))


def reduced(reach: Reach, dimensions: Iterable[int], keep: bool) -> Reach:
    """Return the reach of a mean, sum or maximum over ``dimensions``: it sees what all positions along them see.

    With ``keep`` they stay, with size 1.
    """
    chosen = {d % len(reach.layout) for d in dimensions}
    layout, maps = reach.layout, list(reach.maps)
    for axis in axes_in(layout[d] for d in chosen):
        rest = tuple(dimension for d, dimension in enumerate(layout) if d not in chosen)
        layout, maps[axis] = _reduce_axis(layout, chosen, axis, maps[axis], bool(factors_along(rest, axis)))
    kept = (
        tuple((a, 1, 1) for a, _, _ in dimension if a >= 0) or unmapped(1) if d in chosen else dimension
        for d, dimension in enumerate(layout)
        if keep or d not in chosen
    )
    return replace(reach, layout=tuple(kept), maps=tuple(maps))


def _reduce_axis(
    layout: Layout, chosen: set[int], axis: int, interval_map: IntervalMap | None, remains: bool
) -> tuple[Layout, IntervalMap | None]:
    """Reduce the factors of ``axis`` in the ``chosen`` dimensions; ``remains``: whether other dimensions have some."""
    factors = [f for d in chosen for f in layout[d] if f[0] == axis and f[1] > 1]
    if not remains:
        return layout, None  # a single position, too: in a larger input it would be many
    if interval_map is None or not factors:
        return layout, interval_map
    for _, size, weight in sorted(factors, key=lambda factor: -factor[2]):
        length = length_along(layout, axis)
        if weight == 1:
            interval_map = window(interval_map, size, size)
        elif weight * size == length:
            interval_map = window(interval_map, size, 1, 0, weight)
        else:
            places = [high * weight * size + low for high in range(length // (weight * size)) for low in range(weight)]
            groups = [[interval_map[place + weight * digit] for digit in range(size)] for place in places]
            intervals = [(min(a for a, _ in group), max(b for _, b in group)) for group in groups]
            interval_map = from_intervals(intervals, interval_map.stride * size)
        layout = tuple(
            tuple(
                (a, n, w // size if a == axis and w > weight else w)
                for a, n, w in dimension
                if (a, n, w) != (axis, size, weight) or d not in chosen
            )
            for d, dimension in enumerate(layout)
        )
    return layout, interval_map


def united(reach: Reach, dimension: int) -> Reach:
    """Return the reach after attention along ``dimension``; if it is a part of an axis (a window), within each part."""
    maps = list(reach.maps)
    for axis in axes_in([reach.layout[dimension]]):
        inside = [(n, weight) for a, n, weight in reach.layout[dimension] if a == axis and n > 1]
        interval_map, all_factors = maps[axis], factors_along(reach.layout, axis)
        if interval_map is None or not inside:
            continue
        if len(inside) == len(all_factors):
            maps[axis] = None
            continue
        offsets = [0]
        for size, weight in inside:
            offsets = [offset + weight * digit for offset in offsets for digit in range(size)]
        intervals = []
        for place in range(length_along(reach.layout, axis)):
            base = place - sum(place // weight % size * weight for size, weight in inside)
            group = [interval_map[base + offset] for offset in offsets]
            intervals.append((min(a for a, _ in group), max(b for _, b in group)))
        maps[axis] = from_intervals(intervals, interval_map.stride)
    return replace(reach, maps=tuple(maps))


def permuted(reach: Reach, order: Sequence[int]) -> Reach:
    """Return ``reach`` with its dimensions in another order."""
    return replace(reach, layout=tuple(reach.layout[d] for d in order))


def viewed(reach: Reach, shape: Sequence[int]) -> Reach:
    """Return the reach after a reshape to ``shape``: factors are merged, or split where a dimension is split."""
    # Factors of size 1 along no axis are dropped: otherwise a map of one row would lose its axis to them.
    queue = [(axis, size, weight) for dimension in reach.layout for axis, size, weight in dimension
             if axis >= 0 or size > 1]  # fmt: skip
    layout: list[Dimension] = []
    lost: set[int] = set()
    for d, target in enumerate(shape):
        factors: list[Factor] = []
        product = 1
        if target == 1:
            ones = _leading_ones(shape[d:])
            spare = _leading_ones([size for _, size, _ in queue]) - ones + 1
            for _ in range(spare if ones == 1 else min(spare, 1)):  # positions come last, after batch and channels
                factors.append(queue.pop(0))
            layout.append(tuple(factors) or unmapped(1))
            continue
        while product < target and queue:
            axis, size, weight = queue.pop(0)
            missing = target // product
            if target % product == 0 and missing % size == 0:
                factors.append((axis, size, weight))
                product *= size
            elif target % product == 0 and size % missing == 0:
                inner = size // missing
                factors.append((axis, missing, weight * inner))
                queue.insert(0, (axis, inner, weight))
                product = target
            else:  # a dimension that begins in the middle of another
                lost |= {axis for axis, _, _ in [*factors, (axis, size, weight), *queue] if axis >= 0}
                return seeing_all(_with_lost_axes(reach, shape, layout, lost), lost)
        while queue and queue[0][1] == 1 and (d + 1 == len(shape) or shape[d + 1] != 1):
            factors.append(queue.pop(0))
        layout.append(merged(factors))
    return replace(reach, layout=tuple(layout))


def _leading_ones(sizes: Sequence[int]) -> int:
    """Return the number of ones that ``sizes`` begins with."""
    return next((count for count, size in enumerate(sizes) if size != 1), len(sizes))


def _with_lost_axes(reach: Reach, shape: Sequence[int], done: Sequence[Dimension], lost: set[int]) -> Reach:
    """Return the reach of a reshape whose dimensions after ``done`` mix the axes ``lost`` in an unknown way."""
    axis = min(lost, default=-1)
    rest = tuple(((axis, n, 1),) if axis >= 0 and n > 1 else unmapped(n) for n in shape[len(done) :])
    return replace(reach, layout=(*done, *rest))


def merged(factors: Sequence[Factor]) -> Dimension:
    """Return a dimension of ``factors``, with neighbouring factors of one axis merged if they are contiguous on it."""
    result: list[Factor] = []
    for axis, size, weight in factors:
        if axis < 0 and size == 1:
            continue
        if result and axis >= 0 and axis == result[-1][0] and result[-1][2] == weight * size:
            result[-1] = (axis, result[-1][1] * size, weight)
        else:
            result.append((axis, size, weight))
    return tuple(result) or unmapped(1)


def combined(reaches: Sequence[Reach], shape: Sequence[int], gates: bool = True) -> Reach:
    """Return the reach of a result of ``shape`` that combines broadcast tensors position by position: sum, product.

    A tensor that sees all of an axis, with one value for all its positions, is a gate if the others have several
    positions there: the result sees what the others see, and gets ``context``. Without ``gates``, it sees all.
    """
    result = reaches[0]
    if len(result.layout) != len(shape):
        result = _with_leading_dimensions(result, shape)
    for other in reaches[1:]:
        if other.layout == result.layout and other.maps == result.maps:
            if other.context or other.endings:
                endings = result.endings | other.endings
                result = replace(result, context=result.context or other.context, endings=endings)
            continue
        result = _combined(result, _with_leading_dimensions(other, shape), gates)
    return result


def _with_leading_dimensions(reach: Reach, shape: Sequence[int]) -> Reach:
    """Return ``reach`` with as many dimensions as ``shape``, by broadcasting."""
    return replace(reach, layout=(unmapped(1),) * (len(shape) - len(reach.layout)) + reach.layout)


def _combined(one: Reach, other: Reach, gates: bool) -> Reach:
    """Return `combined` of two reaches with the same number of dimensions."""
    layout: list[Dimension] = []
    mismatched: set[int] = set()
    for a, b in zip(one.layout, other.layout, strict=True):
        if a == b or not axes_in([b]):
            layout.append(b if extent(a) == 1 and not axes_in([a]) else a)
        elif not axes_in([a]) or (extent(a) == 1 and extent(b) > 1):
            layout.append(b)
        elif extent(b) == 1 or [f for f in a if f[1] > 1] == [f for f in b if f[1] > 1]:
            layout.append(a)
        else:
            mismatched |= axes_in([a, b])
            layout.append(a)
    context = one.context or other.context
    endings = one.endings | other.endings
    maps: list[IntervalMap | None] = []
    for axis, (m, n) in enumerate(zip(one.maps, other.maps, strict=True)):
        one_factors, other_factors = factors_along(one.layout, axis), factors_along(other.layout, axis)
        if endings and one_factors != other_factors and (not one_factors or not other_factors):
            # Next to a larger map, a window that covered all of its map was no window on a small input.
            covered = one if not one_factors else other
            if axis in final_axes(covered.endings):
                m, n = (None, n) if covered is one else (m, None)
                endings = without_axes(endings, [axis])
        if axis in mismatched:
            maps.append(None)
        elif m == n:
            maps.append(m)
        elif gates and m is None and not one_factors:
            maps.append(n)
            context = True
        elif gates and n is None and not other_factors:
            maps.append(m)
            context = True
        elif m is None or n is None or one_factors != other_factors:
            maps.append(None)
        else:
            maps.append(joined(m, n, math.prod(size for size, _ in one_factors)))
    return Reach(tuple(layout), tuple(maps), context, endings=endings)
