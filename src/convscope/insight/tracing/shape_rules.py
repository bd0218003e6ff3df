"""Reach rules of operations that only move positions: views, permutations, slices, padding, rolling.

The rules have the form that ``window_rules`` describes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from convscope.insight.tracing.carried_reach import reach_of
from convscope.insight.tracing.interval_maps import from_intervals, window
from convscope.insight.tracing.reach import (
    Dimension,
    Reach,
    axes_in,
    extent,
    factors_along,
    permuted,
    reduced,
    seeing_all,
    unmapped,
    viewed,
)


def view(out: torch.Tensor, x: torch.Tensor, *_: Any, **__: Any) -> Reach | None:
    """Return the reach of an operation that keeps the elements in order: reshape, flatten, squeeze, unsqueeze."""
    reach = reach_of(x)
    return None if reach is None else reach if out.shape == x.shape else viewed(reach, out.shape)


def permute(out: torch.Tensor, x: torch.Tensor, order: Sequence[int]) -> Reach | None:
    """Return the reach of ``aten::permute``."""
    reach = reach_of(x)
    return None if reach is None else permuted(reach, [d % x.ndim for d in order])


def transpose(out: torch.Tensor, x: torch.Tensor, first: int = 0, second: int = 1) -> Reach | None:
    """Return the reach of ``aten::transpose`` and, without dimensions, of ``aten::t``."""
    reach = reach_of(x)
    if reach is None or x.ndim < 2:
        return reach
    order = list(range(x.ndim))
    order[first], order[second] = order[second], order[first]
    return permuted(reach, order)


def last_two(out: torch.Tensor, x: torch.Tensor) -> Reach | None:
    """Return the reach of ``aten::mT``, which swaps the last two dimensions."""
    return transpose(out, x, -2, -1)


def expand(out: torch.Tensor, x: torch.Tensor, *_: Any, **__: Any) -> Reach | None:
    """Return the reach of ``aten::expand`` and ``repeat``: a repeated dimension no longer runs along an axis."""
    reach = reach_of(x)
    if reach is None:
        return None
    front = out.ndim - x.ndim
    layout = [unmapped(n) for n in out.shape[:front]]
    repeated: set[int] = set()
    for dimension, before, after in zip(reach.layout, x.shape, out.shape[front:], strict=True):
        if before == after:
            layout.append(dimension)
        else:
            repeated |= {a for a in axes_in([dimension]) if before > 1}
            layout.append(unmapped(after))
    return seeing_all(replace(reach, layout=tuple(layout)), repeated)


def _strided_slice(reach: Reach, dimension: int, start: int, step: int, size: int) -> Reach:
    """Return the reach of every ``step``-th position of ``dimension``, from ``start``, ``size`` of them."""
    dimension %= len(reach.layout)
    old = reach.layout[dimension]
    if extent(old) == size:
        return reach
    axes = axes_in([old])
    maps = list(reach.maps)
    new: Dimension = unmapped(size)
    if axes:
        axis = min(axes)
        below = maps[axis]
        new = ((axis, size, 1),)
        if len(old) == 1 and factors_along(reach.layout, axis) in ((), ((old[0][1], 1),)):  # () is a single position
            maps[axis] = None if below is None else window(below, 1, step, -start)
        else:
            maps = [None if a in axes else m for a, m in enumerate(maps)]
    layout = (*reach.layout[:dimension], new, *reach.layout[dimension + 1 :])
    return replace(reach, layout=layout, maps=tuple(maps))


def slice_(
    out: torch.Tensor, x: torch.Tensor, dimension: int = 0, start: int | None = None, end: Any = None, step: int = 1
) -> Reach | None:
    """Return the reach of ``aten::slice``."""
    reach = reach_of(x)
    if reach is None:
        return None
    length = x.shape[dimension]
    first = min(max((start or 0) + (length if (start or 0) < 0 else 0), 0), length)
    return _strided_slice(reach, dimension, first, step, out.shape[dimension])


def narrow(out: torch.Tensor, x: torch.Tensor, dimension: int, start: int, length: int) -> Reach | None:
    """Return the reach of ``aten::narrow``."""
    return slice_(out, x, dimension, start)


def select(out: torch.Tensor, x: torch.Tensor, dimension: int, index: int) -> Reach | None:
    """Return the reach of ``aten::select``: the one position that is selected along an axis stands for all."""
    reach = reach_of(x)
    if reach is None:
        return None
    return reduced(reach, [dimension], keep=False)


def parts(along: int = 0) -> Callable[..., list[Reach] | None]:
    """Return the rule of ``split`` and ``chunk``; ``along`` is the default of their dimension."""

    def rule(out: Sequence[torch.Tensor], x: torch.Tensor, *args: Any, **kwargs: Any) -> list[Reach] | None:
        reach = reach_of(x)
        if reach is None:
            return None
        dimension = kwargs.get("dim", args[1] if len(args) > 1 else along)
        start, result = 0, []
        for part in out:
            size = part.shape[dimension]
            result.append(_strided_slice(reach, dimension, start, 1, size))
            start += size
        return result

    return rule


def unbind(out: Sequence[torch.Tensor], x: torch.Tensor, dimension: int = 0) -> list[Reach] | None:
    """Return the reaches of ``aten::unbind``."""
    reach = reach_of(x)
    return None if reach is None else [reduced(reach, [dimension], keep=False)] * len(out)


def pad(out: torch.Tensor, x: torch.Tensor, amounts: Sequence[int], *_: Any, **__: Any) -> Reach | None:
    """Return the reach after padding of any mode: far from the border, all modes are the same."""
    reach = reach_of(x)
    for place in range(len(amounts) // 2):
        before, dimension = amounts[2 * place], -1 - place
        if reach is not None and (amounts[2 * place] or amounts[2 * place + 1]):
            axes = axes_in([reach.layout[dimension]])
            cut = _strided_slice(reach, dimension, -before, 1, out.shape[dimension])
            reach = replace(cut, padded=cut.padded | axes) if amounts[2 * place] + amounts[2 * place + 1] > 0 else cut
    return reach


def roll(out: torch.Tensor, x: torch.Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] = ()) -> Any:
    """Return the reach of ``aten::roll``, without the positions that wrap around, which shifted windows mask out."""
    reach = reach_of(x)
    if reach is None:
        return None
    dims = (dims,) if isinstance(dims, int) else dims
    shifts = (shifts,) if isinstance(shifts, int) else shifts
    maps = list(reach.maps)
    for amount, dimension in zip(shifts, dims, strict=True):
        factors = reach.layout[dimension]
        for axis in axes_in([factors]):
            below = maps[axis]
            whole_axis = len(factors) == 1 and factors_along(reach.layout, axis) == ((factors[0][1], 1),)
            maps[axis] = window(below, 1, 1, amount) if whole_axis and below is not None else None
    return replace(reach, maps=tuple(maps))


def flip(out: torch.Tensor, x: torch.Tensor, dims: Sequence[int]) -> Reach | None:
    """Return the reach of ``aten::flip``."""
    reach = reach_of(x)
    if reach is None:
        return None
    maps = list(reach.maps)
    for dimension in dims:
        size = x.shape[dimension]
        for axis in axes_in([reach.layout[dimension]]):
            below = maps[axis]
            whole_axis = factors_along(reach.layout, axis) == ((size, 1),)
            if below is not None and size > 1:
                backwards = [below[size - 1 - position] for position in range(size)]
                maps[axis] = from_intervals(backwards, -below.stride) if whole_axis else None
    return replace(reach, maps=tuple(maps))


def windows(out: torch.Tensor, x: torch.Tensor, dimension: int, size: int, step: int) -> Reach | None:
    """Return the reach of ``aten::unfold``, windows along a dimension: each element counts as its whole window."""
    reach = reach_of(x)
    if reach is None:
        return None
    cut = _strided_slice(reach, dimension, 0, step, out.shape[dimension])
    maps = list(cut.maps)
    for axis in axes_in([reach.layout[dimension]]):
        below = reach.maps[axis]
        maps[axis] = None if below is None or maps[axis] is None else window(below, size, step)
    return Reach((*cut.layout, unmapped(size)), tuple(maps), cut.context)


def same_positions(out: torch.Tensor, x: torch.Tensor, *_: Any, **__: Any) -> Reach | None:
    """Return the reach of an operation that only reorders channels: that of its argument."""
    return reach_of(x)


def with_unknown_positions(reach: Reach, shape: Sequence[int]) -> Reach:
    """Return the reach of a result whose positions may not follow those of ``reach``: each unit sees everything."""
    axes = axes_in(reach.layout) or set(range(len(reach.maps)))
    spread = max(range(len(shape)), key=lambda d: shape[d], default=0)
    keeps = len(shape) == len(reach.layout) and math.prod(shape) > 1
    layout = tuple(
        ((min(axes_in([reach.layout[d]])), n, 1),)
        if keeps and axes_in([reach.layout[d]])
        else ((min(axes), n, 1),)
        if not keeps and d == spread and n > 1
        else unmapped(n)
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
    "channel_shuffle": same_positions,
    "native_channel_shuffle": same_positions,
}
