"""What a tensor inside a network sees of the input: which of its dimensions run along which input axis, and how far.

A dimension is a product of factors, outermost first: after ``x.flatten(2)`` one dimension holds rows and columns,
after a partition into windows two dimensions hold the rows. A factor is (axis, size, weight): its digit counts
``weight`` units along the axis. Axis -1 is none: batch and channels.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from convscope.insight.tracing.endings import NO_ENDINGS, Endings, along_others, ended
from convscope.insight.tracing.interval_maps import IDENTITY, IntervalMap, joined, listed, window

Factor = tuple[int, int, int]
Dimension = tuple[Factor, ...]
Layout = tuple[Dimension, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """Where the dimensions of a tensor run, and what its units see.

    Attributes:
        layout: The dimensions.
        maps: For each input axis, what the units along it see; None: each sees all of the axis.
        context: Beside that, all of the input through gates (squeeze-and-excitation) or statistics (group norm).
        resized: Adaptive pooling made these places of a map of another size: their field depends on the input's.
        padded: Axes that were padded since the last window.
        endings: Windows that covered all of an axis: those that none follows see everything.
    """

    layout: Layout
    maps: tuple[IntervalMap | None, ...]
    context: bool = False
    resized: bool = False
    padded: frozenset[int] = frozenset()
    endings: Endings = NO_ENDINGS

    @property
    def spatial(self) -> bool:
        """Whether it is a feature map: each unit sees a part of the input, and places are not mixed with channels.

        What adaptive pooling made of a map of another size is none: its field would be the input's as much as the
        network's.
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
    """That of an input of ``shape`` whose dimensions ``axes`` are spatial."""
    places = {dimension: axis for axis, dimension in enumerate(axes)}
    layout = tuple(((places.get(d, -1), n, 1 if d in places else 0),) for d, n in enumerate(shape))
    return Reach(layout, (IDENTITY,) * len(axes))


def plain(size: int) -> Dimension:
    """A dimension along no axis."""
    return ((-1, size, 0),)


def extent(dimension: Dimension) -> int:
    """Its size."""
    return math.prod(size for _, size, _ in dimension)


def axes_in(dimensions: Iterable[Dimension]) -> set[int]:
    """The input axes that run along these dimensions, those of a single place too."""
    return {axis for dimension in dimensions for axis, _, _ in dimension if axis >= 0}


def digits(layout: Layout, axis: int) -> tuple[tuple[int, int], ...]:
    """Size and weight of the factors of more than one place that ``axis`` is spread over."""
    return tuple(
        sorted((n, weight) for dimension in layout for a, n, weight in dimension if a == axis and n > 1)
    )  # fmt: skip


def length_along(layout: Layout, axis: int) -> int:
    """Number of places along ``axis``."""
    return math.prod(size for size, _ in digits(layout, axis))


def seeing_all(reach: Reach, axes: Iterable[int]) -> Reach:
    """The same, each unit seeing all of ``axes``."""
    chosen = set(axes)
    return replace(reach, maps=tuple(None if a in chosen else m for a, m in enumerate(reach.maps)))


def reduced(reach: Reach, dimensions: Iterable[int], keep: bool) -> Reach:
    """Mean, sum, maximum over ``dimensions``: each result sees what all the places there see."""
    chosen = {d % len(reach.layout) for d in dimensions}
    layout, maps = reach.layout, list(reach.maps)
    for axis in axes_in(layout[d] for d in chosen):
        rest = tuple(dimension for d, dimension in enumerate(layout) if d not in chosen)
        layout, maps[axis] = _without(layout, chosen, axis, maps[axis], bool(digits(rest, axis)))
    kept = (
        tuple((a, 1, 1) for a, _, _ in dimension if a >= 0) or plain(1) if d in chosen else dimension
        for d, dimension in enumerate(layout)
        if keep or d not in chosen
    )
    return replace(reach, layout=tuple(kept), maps=tuple(maps))


def _without(
    layout: Layout, chosen: set[int], axis: int, seen: IntervalMap | None, remains: bool
) -> tuple[Layout, IntervalMap | None]:
    """``layout`` and map of ``axis`` when its factors in the ``chosen`` dimensions are reduced."""
    gone = [f for d in chosen for f in layout[d] if f[0] == axis and f[1] > 1]
    if not remains:
        return layout, None  # a single place, too: it stands for all that a larger input would have
    if seen is None or not gone:
        return layout, seen
    for _, size, weight in sorted(gone, key=lambda factor: -factor[2]):
        length = length_along(layout, axis)
        if weight == 1:
            seen = window(seen, size, size)
        elif weight * size == length:
            seen = window(seen, size, 1, 0, weight)
        else:
            places = [high * weight * size + low for high in range(length // (weight * size)) for low in range(weight)]
            whole = [[seen[place + weight * digit] for digit in range(size)] for place in places]
            united = [(min(a for a, _ in many), max(b for _, b in many)) for many in whole]
            seen = listed(united, seen.stride * size)
        layout = tuple(
            tuple(
                (a, n, w // size if a == axis and w > weight else w)
                for a, n, w in dimension
                if (a, n, w) != (axis, size, weight) or d not in chosen
            )
            for d, dimension in enumerate(layout)
        )
    return layout, seen


def united(reach: Reach, dimension: int) -> Reach:
    """Each place sees what all the places that share ``dimension`` with it see: attention within it."""
    maps = list(reach.maps)
    for axis in axes_in([reach.layout[dimension]]):
        inside = [(n, weight) for a, n, weight in reach.layout[dimension] if a == axis and n > 1]
        seen, everywhere = maps[axis], digits(reach.layout, axis)
        if seen is None or not inside:
            continue
        if len(inside) == len(everywhere):
            maps[axis] = None
            continue
        offsets = [0]
        for size, weight in inside:
            offsets = [offset + weight * digit for offset in offsets for digit in range(size)]
        intervals = []
        for place in range(length_along(reach.layout, axis)):
            base = place - sum(place // weight % size * weight for size, weight in inside)
            group = [seen[base + offset] for offset in offsets]
            intervals.append((min(a for a, _ in group), max(b for _, b in group)))
        maps[axis] = listed(intervals, seen.stride)
    return replace(reach, maps=tuple(maps))


def permuted(reach: Reach, order: Sequence[int]) -> Reach:
    """Dimensions in another order."""
    return replace(reach, layout=tuple(reach.layout[d] for d in order))


def viewed(reach: Reach, shape: Sequence[int]) -> Reach:
    """``reshape``: factors are merged, or split where a dimension falls apart."""
    # A single place along no axis is nothing: were it counted, a map of one row would lose its axis to it.
    queue = [(axis, size, weight) for dimension in reach.layout for axis, size, weight in dimension
             if axis >= 0 or size > 1]  # fmt: skip
    layout: list[Dimension] = []
    lost: set[int] = set()
    for d, wanted in enumerate(shape):
        taken: list[Factor] = []
        have = 1
        if wanted == 1:
            ones = _leading_ones(shape[d:])
            spare = _leading_ones([size for _, size, _ in queue]) - ones + 1
            for _ in range(spare if ones == 1 else min(spare, 1)):  # places come last, behind batch and channels
                taken.append(queue.pop(0))
            layout.append(tuple(taken) or plain(1))
            continue
        while have < wanted and queue:
            axis, size, weight = queue.pop(0)
            need = wanted // have
            if wanted % have == 0 and need % size == 0:
                taken.append((axis, size, weight))
                have *= size
            elif wanted % have == 0 and size % need == 0:
                inner = size // need
                taken.append((axis, need, weight * inner))
                queue.insert(0, (axis, inner, weight))
                have = wanted
            else:  # a dimension that starts in the middle of another
                lost |= {axis for axis, _, _ in [*taken, (axis, size, weight), *queue] if axis >= 0}
                return seeing_all(_laid_over(reach, shape, layout, lost), lost)
        while queue and queue[0][1] == 1 and (d + 1 == len(shape) or shape[d + 1] != 1):
            taken.append(queue.pop(0))
        layout.append(merged(taken))
    return replace(reach, layout=tuple(layout))


def _leading_ones(sizes: Sequence[int]) -> int:
    return next((count for count, size in enumerate(sizes) if size != 1), len(sizes))


def _laid_over(reach: Reach, shape: Sequence[int], done: Sequence[Dimension], lost: set[int]) -> Reach:
    axis = min(lost, default=-1)
    rest = tuple(((axis, n, 1),) if axis >= 0 and n > 1 else plain(n) for n in shape[len(done) :])
    return replace(reach, layout=(*done, *rest))


def merged(factors: Sequence[Factor]) -> Dimension:
    """Neighbouring factors of one axis (or of none) as one where their digits run on."""
    result: list[Factor] = []
    for axis, size, weight in factors:
        if axis < 0 and size == 1:
            continue
        if result and axis >= 0 and axis == result[-1][0] and result[-1][2] == weight * size:
            result[-1] = (axis, result[-1][1] * size, weight)
        else:
            result.append((axis, size, weight))
    return tuple(result) or plain(1)


def combined(reaches: Sequence[Reach], shape: Sequence[int], gates: bool = True) -> Reach:
    """A result of ``shape`` that is made place by place of tensors that broadcast: sum, product, choice.

    A tensor that sees everything and is the same at every place along an axis is a gate where the others have
    places there: the result keeps what they see, and is marked with ``context``. Without ``gates``, it sees all.
    """
    result = reaches[0]
    if len(result.layout) != len(shape):
        result = _padded(result, shape)
    for other in reaches[1:]:
        if other.layout == result.layout and other.maps == result.maps:
            if other.context or other.endings:
                endings = result.endings | other.endings
                result = replace(result, context=result.context or other.context, endings=endings)
            continue
        result = _combined(result, _padded(other, shape), gates)
    return result


def _padded(reach: Reach, shape: Sequence[int]) -> Reach:
    return replace(reach, layout=(plain(1),) * (len(shape) - len(reach.layout)) + reach.layout)


def _combined(one: Reach, other: Reach, gates: bool) -> Reach:
    layout: list[Dimension] = []
    torn: set[int] = set()
    for a, b in zip(one.layout, other.layout, strict=True):
        if a == b or not axes_in([b]):
            layout.append(b if extent(a) == 1 and not axes_in([a]) else a)
        elif not axes_in([a]) or (extent(a) == 1 and extent(b) > 1):
            layout.append(b)
        elif extent(b) == 1 or [f for f in a if f[1] > 1] == [f for f in b if f[1] > 1]:
            layout.append(a)
        else:
            torn |= axes_in([a, b])
            layout.append(a)
    context = one.context or other.context
    endings = one.endings | other.endings
    maps: list[IntervalMap | None] = []
    for axis, (m, n) in enumerate(zip(one.maps, other.maps, strict=True)):
        here, there = digits(one.layout, axis), digits(other.layout, axis)
        if endings and here != there and (not here or not there):
            whole = one if not here else other  # beside more places, what covered all of a map is no small map
            if axis in ended(whole.endings):
                m, n = (None, n) if whole is one else (m, None)
                endings = along_others(endings, [axis])
        if axis in torn:
            maps.append(None)
        elif m == n:
            maps.append(m)
        elif gates and m is None and not here:
            maps.append(n)
            context = True
        elif gates and n is None and not there:
            maps.append(m)
            context = True
        elif m is None or n is None or here != there:
            maps.append(None)
        else:
            maps.append(joined(m, n, math.prod(size for size, _ in here)))
    return Reach(tuple(layout), tuple(maps), context, endings=endings)
