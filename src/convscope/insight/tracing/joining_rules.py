"""What joining tensors makes of their reaches: concatenation and stacking.

Rules as in ``window_rules``.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch

from convscope.insight.tracing.carried_reach import reach_of
from convscope.insight.tracing.interval_maps import NOTHING, IntervalMap, listed
from convscope.insight.tracing.reach import Reach, axes_in, combined, digits, plain


def concatenate(out: torch.Tensor, tensors: Sequence[torch.Tensor], dimension: int = 0) -> Reach | None:
    """``aten::cat``: branches beside each other in the channels, or places after places."""
    present = [(t, r) for t in tensors if (r := reach_of(t)) is not None]
    if not present:
        return None
    dimension %= out.ndim
    if not axes_in(reach.layout[dimension] for _, reach in present):
        channels = [
            replace(r, layout=(*r.layout[:dimension], plain(out.shape[dimension]), *r.layout[dimension + 1 :]))
            for _, r in present
        ]
        return combined(channels, out.shape, gates=False)
    axis = min(axes_in(reach.layout[dimension] for _, reach in present))
    made = ((axis, out.shape[dimension], 1),)
    whole = [
        Reach((*r.layout[:dimension], made, *r.layout[dimension + 1 :]), r.maps, r.context) for _, r in present
    ]  # fmt: skip
    rest = combined([replace(r, maps=_except(r.maps, axis)) for r in whole], out.shape, gates=False)
    maps = list(rest.maps)
    maps[axis] = _one_after_another(tensors, dimension, axis)
    return Reach(rest.layout, tuple(maps), rest.context)


def _except(maps: tuple[IntervalMap | None, ...], axis: int) -> tuple[IntervalMap | None, ...]:
    return tuple(None if a == axis else m for a, m in enumerate(maps))


def _one_after_another(tensors: Sequence[torch.Tensor], dimension: int, axis: int) -> IntervalMap | None:
    intervals, stride = [], Fraction(1)
    for tensor in tensors:
        reach, size = reach_of(tensor), tensor.shape[dimension]
        if reach is None:
            intervals += [NOTHING] * size
            continue
        below = reach.maps[axis]
        if below is None or digits(reach.layout, axis) not in ((), ((size, 1),)):
            return None
        intervals += [below[place] for place in range(size)]
        stride = below.stride
    return listed(intervals, stride)


def stack(out: torch.Tensor, tensors: Sequence[torch.Tensor], dimension: int = 0) -> Reach | None:
    """``aten::stack``."""
    reaches = [r for t in tensors if (r := reach_of(t)) is not None]
    if not reaches:
        return None
    dimension %= out.ndim
    shape = [n for d, n in enumerate(out.shape) if d != dimension]
    whole = combined(reaches, shape, gates=False)
    layout = (*whole.layout[:dimension], plain(out.shape[dimension]), *whole.layout[dimension:])
    return Reach(layout, whole.maps, whole.context)


RULES: dict[str, Callable[..., Any]] = {"cat": concatenate, "concat": concatenate, "stack": stack}
