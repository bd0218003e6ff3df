"""Reach rules of operations that join tensors: concatenation and stacking.

The rules have the form that ``window_rules`` describes.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch

from convscope.insight.tracing.carried_reach import reach_of
from convscope.insight.tracing.interval_maps import EMPTY, IntervalMap, from_intervals
from convscope.insight.tracing.reach import Reach, axes_in, combined, factors_along, unmapped


def concatenate(out: torch.Tensor, tensors: Sequence[torch.Tensor], dimension: int = 0) -> Reach | None:
    """Return the reach of ``aten::cat``, which joins branches along their channels, or positions along an axis."""
    present = [(t, r) for t in tensors if (r := reach_of(t)) is not None]
    if not present:
        return None
    dimension %= out.ndim
    if not axes_in(reach.layout[dimension] for _, reach in present):
        channels = [
            replace(r, layout=(*r.layout[:dimension], unmapped(out.shape[dimension]), *r.layout[dimension + 1 :]))
            for _, r in present
        ]
        return combined(channels, out.shape, gates=False)
    axis = min(axes_in(reach.layout[dimension] for _, reach in present))
    joined = ((axis, out.shape[dimension], 1),)
    relabelled = [
        Reach((*r.layout[:dimension], joined, *r.layout[dimension + 1 :]), r.maps, r.context) for _, r in present
    ]  # fmt: skip
    rest = combined([replace(r, maps=_except(r.maps, axis)) for r in relabelled], out.shape, gates=False)
    maps = list(rest.maps)
    maps[axis] = _concatenated_map(tensors, dimension, axis)
    return Reach(rest.layout, tuple(maps), rest.context)


def _except(maps: tuple[IntervalMap | None, ...], axis: int) -> tuple[IntervalMap | None, ...]:
    """Return ``maps`` with None for ``axis``."""
    return tuple(None if a == axis else m for a, m in enumerate(maps))


def _concatenated_map(tensors: Sequence[torch.Tensor], dimension: int, axis: int) -> IntervalMap | None:
    """Return the map of ``axis`` after positions of ``tensors`` are joined; None if they are not known one by one."""
    intervals, stride = [], Fraction(1)
    for tensor in tensors:
        reach, size = reach_of(tensor), tensor.shape[dimension]
        if reach is None:
            intervals += [EMPTY] * size
            continue
        below = reach.maps[axis]
        if below is None or factors_along(reach.layout, axis) not in ((), ((size, 1),)):
            return None
        intervals += [below[position] for position in range(size)]
        stride = below.stride
    return from_intervals(intervals, stride)


def stack(out: torch.Tensor, tensors: Sequence[torch.Tensor], dimension: int = 0) -> Reach | None:
    """Return the reach of ``aten::stack``."""
    reaches = [r for t in tensors if (r := reach_of(t)) is not None]
    if not reaches:
        return None
    dimension %= out.ndim
    shape = [n for d, n in enumerate(out.shape) if d != dimension]
    joined = combined(reaches, shape, gates=False)
    layout = (*joined.layout[:dimension], unmapped(out.shape[dimension]), *joined.layout[dimension:])
    return Reach(layout, joined.maps, joined.context)


RULES: dict[str, Callable[..., Any]] = {"cat": concatenate, "concat": concatenate, "stack": stack}
