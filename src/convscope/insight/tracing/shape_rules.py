"""What moving places about makes of a reach: views, permutations, slices, concatenation, padding, rolling.

Rules as in ``window_rules``.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from convscope.insight.tracing.carried_reach import reach_of
from convscope.insight.tracing.interval_maps import listed, window
from convscope.insight.tracing.reach import (
    Dimension,
    Reach,
    axes_in,
    digits,
    extent,
    permuted,
    plain,
    reduced,
    seeing_all,
    viewed,
)


def view(out: torch.Tensor, x: torch.Tensor, *_: Any, **__: Any) -> Reach | None:
    """Whatever keeps the elements in their order: reshape, flatten, squeeze, unsqueeze."""
    reach = reach_of(x)
    return None if reach is None else reach if out.shape == x.shape else viewed(reach, out.shape)


def permute(out: torch.Tensor, x: torch.Tensor, order: Sequence[int]) -> Reach | None:
    """``aten::permute``."""
    reach = reach_of(x)
    return None if reach is None else permuted(reach, [d % x.ndim for d in order])


def transpose(out: torch.Tensor, x: torch.Tensor, one: int = 0, other: int = 1) -> Reach | None:
    """``aten::transpose`` and, without dimensions, ``aten::t``."""
    reach = reach_of(x)
    if reach is None or x.ndim < 2:
        return reach
    order = list(range(x.ndim))
    order[one], order[other] = order[other], order[one]
    return permuted(reach, order)


def last_two(out: torch.Tensor, x: torch.Tensor) -> Reach | None:
    """``aten::mT``."""
    return transpose(out, x, -2, -1)


def expand(out: torch.Tensor, x: torch.Tensor, *_: Any, **__: Any) -> Reach | None:
    """``aten::expand``, ``repeat``: a place that is repeated is the same everywhere."""
    reach = reach_of(x)
    if reach is None:
        return None
    front = out.ndim - x.ndim
    layout = [plain(n) for n in out.shape[:front]]
    torn: set[int] = set()
    for dimension, before, after in zip(reach.layout, x.shape, out.shape[front:], strict=True):
        if before == after:
            layout.append(dimension)
        else:
            torn |= {a for a in axes_in([dimension]) if before > 1}
            layout.append(plain(after))
    return seeing_all(replace(reach, layout=tuple(layout)), torn)


def _cut(reach: Reach, dimension: int, start: int, step: int, size: int) -> Reach:
    """Every ``step``-th place of a dimension from ``start`` on, ``size`` of them."""
    dimension %= len(reach.layout)
    was = reach.layout[dimension]
    if extent(was) == size:
        return reach
    axes = axes_in([was])
    maps = list(reach.maps)
    made: Dimension = plain(size)
    if axes:
        axis = min(axes)
        below = maps[axis]
        made = ((axis, size, 1),)
        if len(was) == 1 and digits(reach.layout, axis) in ((), ((was[0][1], 1),)):  # () is a single place
            maps[axis] = None if below is None else window(below, 1, step, -start)
        else:
            maps = [None if a in axes else m for a, m in enumerate(maps)]
    layout = (*reach.layout[:dimension], made, *reach.layout[dimension + 1 :])
    return replace(reach, layout=layout, maps=tuple(maps))


def slice_(
    out: torch.Tensor, x: torch.Tensor, dimension: int = 0, start: int | None = None, end: Any = None, step: int = 1
) -> Reach | None:
    """``aten::slice``."""
    reach = reach_of(x)
    if reach is None:
        return None
    length = x.shape[dimension]
    first = min(max((start or 0) + (length if (start or 0) < 0 else 0), 0), length)
    return _cut(reach, dimension, first, step, out.shape[dimension])


def narrow(out: torch.Tensor, x: torch.Tensor, dimension: int, start: int, length: int) -> Reach | None:
    """``aten::narrow``."""
    return slice_(out, x, dimension, start)


def select(out: torch.Tensor, x: torch.Tensor, dimension: int, index: int) -> Reach | None:
    """``aten::select``: of places along an axis, one stands for all."""
    reach = reach_of(x)
    if reach is None:
        return None
    return reduced(reach, [dimension], keep=False)


def parts(along: int = 0) -> Callable[..., list[Reach] | None]:
    """The rule of ``split``, ``chunk``, ``unbind``; ``along``: the default of their dimension."""

    def rule(out: Sequence[torch.Tensor], x: torch.Tensor, *rest: Any, **named: Any) -> list[Reach] | None:
        reach = reach_of(x)
        if reach is None:
            return None
        dimension = named.get("dim", rest[1] if len(rest) > 1 else along)
        start, result = 0, []
        for part in out:
            size = part.shape[dimension]
            result.append(_cut(reach, dimension, start, 1, size))
            start += size
        return result

    return rule


def unbind(out: Sequence[torch.Tensor], x: torch.Tensor, dimension: int = 0) -> list[Reach] | None:
    """``aten::unbind``."""
    reach = reach_of(x)
    return None if reach is None else [reduced(reach, [dimension], keep=False)] * len(out)


def pad(out: torch.Tensor, x: torch.Tensor, amounts: Sequence[int], *_: Any, **__: Any) -> Reach | None:
    """Padding of any mode; inside, where a border is far, all modes are one."""
    reach = reach_of(x)
    for place in range(len(amounts) // 2):
        before, dimension = amounts[2 * place], -1 - place
        if reach is not None and (amounts[2 * place] or amounts[2 * place + 1]):
            axes = axes_in([reach.layout[dimension]])
            cut = _cut(reach, dimension, -before, 1, out.shape[dimension])
            reach = replace(cut, padded=cut.padded | axes) if amounts[2 * place] + amounts[2 * place + 1] > 0 else cut
    return reach


def roll(out: torch.Tensor, x: torch.Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] = ()) -> Any:
    """``aten::roll``: what comes in at the other end is left out, as masks of shifted windows do."""
    reach = reach_of(x)
    if reach is None:
        return None
    dims = (dims,) if isinstance(dims, int) else dims
    shifts = (shifts,) if isinstance(shifts, int) else shifts
    maps = list(reach.maps)
    for amount, dimension in zip(shifts, dims, strict=True):
        was = reach.layout[dimension]
        for axis in axes_in([was]):
            below = maps[axis]
            alone = len(was) == 1 and digits(reach.layout, axis) == ((was[0][1], 1),)
            maps[axis] = window(below, 1, 1, amount) if alone and below is not None else None
    return replace(reach, maps=tuple(maps))


def flip(out: torch.Tensor, x: torch.Tensor, dims: Sequence[int]) -> Reach | None:
    """``aten::flip``."""
    reach = reach_of(x)
    if reach is None:
        return None
    maps = list(reach.maps)
    for dimension in dims:
        size = x.shape[dimension]
        for axis in axes_in([reach.layout[dimension]]):
            below = maps[axis]
            alone = digits(reach.layout, axis) == ((size, 1),)
            if below is not None and size > 1:
                backwards = [below[size - 1 - place] for place in range(size)]
                maps[axis] = listed(backwards, -below.stride) if alone else None
    return replace(reach, maps=tuple(maps))


def windows(out: torch.Tensor, x: torch.Tensor, dimension: int, size: int, step: int) -> Reach | None:
    """``aten::unfold``: windows along a dimension; each place in a window is taken for the whole of it."""
    reach = reach_of(x)
    if reach is None:
        return None
    cut = _cut(reach, dimension, 0, step, out.shape[dimension])
    maps = list(cut.maps)
    for axis in axes_in([reach.layout[dimension]]):
        below = reach.maps[axis]
        maps[axis] = None if below is None or maps[axis] is None else window(below, size, step)
    return Reach((*cut.layout, plain(size)), tuple(maps), cut.context)


def same_places(out: torch.Tensor, x: torch.Tensor, *_: Any, **__: Any) -> Reach | None:
    """Channels in another order."""
    return reach_of(x)


def meshed(reach: Reach, shape: Sequence[int]) -> Reach:
    """For a result whose places are not known to follow those of ``reach``: every unit sees everything."""
    axes = axes_in(reach.layout) or set(range(len(reach.maps)))
    spread = max(range(len(shape)), key=lambda d: shape[d], default=0)
    keeps = len(shape) == len(reach.layout) and math.prod(shape) > 1
    layout = tuple(
        ((min(axes_in([reach.layout[d]])), n, 1),)
        if keeps and axes_in([reach.layout[d]])
        else ((min(axes), n, 1),)
        if not keeps and d == spread and n > 1
        else plain(n)
        for d, n in enumerate(shape)
    )
    return Reach(layout, (None,) * len(reach.maps), reach.context)


VIEWS = (
    "view", "reshape", "_unsafe_view", "_reshape_alias", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as",
    "reshape_as", "ravel",
)  # fmt: skip
PADDINGS = ("constant_pad_nd", *(f"{mode}_pad{n}d" for mode in ("reflection", "replication") for n in (1, 2, 3)), "pad")

RULES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(VIEWS, view),
    **dict.fromkeys(PADDINGS, pad),
    "permute": permute,
    "transpose": transpose,
    "swapaxes": transpose,
    "swapdims": transpose,
    "t": transpose,
    "mT": last_two,
    "expand": expand,
    "expand_as": expand,
    "broadcast_to": expand,
    "repeat": expand,
    "slice": slice_,
    "narrow": narrow,
    "select": select,
    "split": parts(),
    "split_with_sizes": parts(),
    "chunk": parts(),
    "unbind": unbind,
    "roll": roll,
    "flip": flip,
    "unfold": windows,
    "channel_shuffle": same_places,
    "native_channel_shuffle": same_places,
}
