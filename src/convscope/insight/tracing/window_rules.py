"""What a window over the input's axes makes of a reach: convolution, pooling, interpolation, and what undoes them.

A rule takes the result of an operation and its arguments, named and ordered as in ATen's schema, and returns the
reach of the result. All of them run on shapes alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch

from convscope.insight.tracing.carried_reach import reach_of
from convscope.insight.tracing.endings import Ending, ended, passing
from convscope.insight.tracing.interval_maps import (
    IntervalMap,
    Resampling,
    resampled,
    transposed_window,
    window,
)
from convscope.insight.tracing.reach import Dimension, Reach, axes_in, digits, plain, reduced, seeing_all
from convscope.insight.tracing.windows import (
    Geometry,
    Many,
    average_pool_geometry,
    convolution_geometry,
    general_geometry,
    max_pool_geometry,
    per_dimension,
    transposed_geometry,
)


def moved_window(reach: Reach, geometry: Geometry, shape: Sequence[int]) -> Reach:
    """The window moved along the last dimensions of ``reach``, to a result of ``shape``."""
    layout, maps, endings = list(reach.layout), list(reach.maps), reach.endings
    start = len(layout) - len(geometry.kernel)
    for at, k, s, p, d in zip(
        range(start, len(layout)), geometry.kernel, geometry.stride, geometry.padding, geometry.dilation, strict=True
    ):
        dimension, size = layout[at], shape[at]
        axis, whole = _axis_of(reach, dimension)
        if axis is None:
            layout[at] = plain(size)
        elif not whole:
            if (k, s) != (1, 1):
                layout[at], maps = _blurred(dimension, size, maps)
        else:
            layout[at] = ((axis, size, 1),)
            below = maps[axis]
            length = dimension[0][1]
            if below is None:
                continue
            if (k, s) != (1, 1):
                endings = passing(endings, axis)
            if geometry.transposed:
                maps[axis] = transposed_window(below, k, s, p, d)
                continue
            maps[axis] = window(below, k, s, p, d)
            if size == 1 and length == d * (k - 1) + 1 and length > 1 and p == 0 and axis not in reach.padded:
                endings |= {(axis, Ending())}
    return Reach(tuple(layout), tuple(maps), reach.context, endings=endings)


def _axis_of(reach: Reach, dimension: Dimension) -> tuple[int | None, bool]:
    """The axis that runs along ``dimension``, and whether it does so alone and from end to end."""
    axes = axes_in([dimension])
    if not axes:
        return None, True
    axis = min(axes)
    whole = len(dimension) == 1 and digits(reach.layout, axis) in ((), ((dimension[0][1], 1),))
    return axis, whole


def _blurred(
    dimension: Dimension, size: int, maps: list[IntervalMap | None]
) -> tuple[Dimension, list[IntervalMap | None]]:
    """For a window over a dimension that is no axis in its own order: all of its axes are seen."""
    axes = axes_in([dimension])
    return ((min(axes), size, 1),), [None if a in axes else m for a, m in enumerate(maps)]


def contracted(reach: Reach, dimension: int, size: int) -> Reach:
    """A weighted sum over ``dimension`` that makes ``size`` new channels: dense layers, a convolution's channels."""
    dimension %= len(reach.layout)
    axes = axes_in([reach.layout[dimension]])
    mixed = reduced(reach, [dimension], keep=True) if axes else reach
    lost = [axis for axis in axes if mixed.maps[axis] is None and digits(reach.layout, axis)]
    made: Dimension = ((min(lost), size, 1),) if lost else plain(size)
    layout = (*mixed.layout[:dimension], made, *mixed.layout[dimension + 1 :])
    return replace(mixed, layout=layout)


def convolution(geometry: Callable[..., Geometry]) -> Callable[..., Reach | None]:
    """The rule of a convolution whose arguments ``geometry`` reads."""

    def rule(out: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, *rest: Any, **named: Any) -> Reach | None:
        reach = reach_of(x)
        if reach is None:
            return None
        told = geometry(x, weight, *rest, **named)
        channels = len(reach.layout) - len(told.kernel) - 1
        return moved_window(contracted(reach, channels, out.shape[channels]), told, out.shape)

    return rule


def pooling(geometry: Callable[..., Geometry]) -> Callable[..., Any]:
    """The rule of a pooling whose arguments ``geometry`` reads; for the indices of its maxima, too."""

    def rule(out: Any, x: torch.Tensor, *rest: Any, **named: Any) -> Any:
        reach = reach_of(x)
        if reach is None:
            return None
        first = out[0] if isinstance(out, tuple) else out
        result = moved_window(reach, geometry(x, *rest, **named), first.shape)
        return (result, result) if isinstance(out, tuple) else result

    return rule


def along_last(out: Any, x: torch.Tensor, kind: Resampling, ratios: Sequence[Fraction], aligned: bool = False) -> Any:
    """Resampling of the last dimensions by ``ratios``, in units below to a unit of the result."""
    reach = reach_of(x)
    if reach is None:
        return None
    first = out[0] if isinstance(out, tuple) else out
    layout, maps, endings, resized = list(reach.layout), list(reach.maps), reach.endings, reach.resized
    for at, ratio in zip(range(x.ndim - len(ratios), x.ndim), ratios, strict=True):
        size = first.shape[at]
        axis, whole = _axis_of(reach, layout[at])
        if axis is None:
            layout[at] = plain(size)
        elif not whole:
            layout[at], maps = _blurred(layout[at], size, maps)
        else:
            layout[at] = ((axis, size, 1),)
            below = maps[axis]
            if kind == "adaptive" and size == 1:
                maps[axis] = None
            elif below is not None and ratio != 1:
                if kind == "adaptive":
                    endings, resized = passing(endings, axis), True
                elif axis in ended(endings):
                    below = None  # a global mean, laid over a map
                maps[axis] = None if below is None else resampled(below, ratio, kind, aligned)
    result = Reach(tuple(layout), tuple(maps), reach.context, resized, endings=endings)
    return (result, result) if isinstance(out, tuple) else result


def adaptive_pooling(out: Any, x: torch.Tensor, size: Many, **_: Any) -> Any:
    """``aten::adaptive_*_poolNd``."""
    first = out[0] if isinstance(out, tuple) else out
    count = len(size) if not isinstance(size, int) else x.ndim - 2
    ratios = [Fraction(x.shape[-d], first.shape[-d]) for d in range(count, 0, -1)]
    return along_last(out, x, "adaptive", ratios)


def interpolation(kind: Resampling) -> Callable[..., Any]:
    """The rule of ``aten::upsample_*``; the ratio is that of the lengths unless a factor was given."""

    def rule(out: torch.Tensor, x: torch.Tensor, *rest: Any, **named: Any) -> Any:
        aligned = any(argument is True for argument in (*rest, named.get("align_corners")))
        given = [a for a in (*rest[1:], *named.values()) if isinstance(a, (list, tuple, float))]
        floats = [f for a in given for f in ([a] if isinstance(a, float) else a) if isinstance(f, float)]
        count = x.ndim - 2
        ratios = []
        for d in range(count):
            n, m = x.shape[2 + d], out.shape[2 + d]
            if aligned:
                ratios.append(Fraction(n - 1, m - 1) if m > 1 else Fraction(0))
            elif len(floats) == count and floats[d] > 0:
                ratios.append(1 / Fraction(floats[d]).limit_denominator(1000))
            else:
                ratios.append(Fraction(n, m))
        return along_last(out, x, kind, ratios, aligned)

    return rule


def pixel_shuffle(out: torch.Tensor, x: torch.Tensor, factor: int) -> Reach | None:
    """``aten::pixel_shuffle``: channels become places, each of which sees what the place that held them saw."""
    reach = reach_of(x)
    if reach is None or axes_in(reach.layout[-3:-2]):
        return None if reach is None else seeing_all(reach, range(len(reach.maps)))
    result: Reach = along_last(out, x, "nearest", [Fraction(1, factor)] * 2)
    return replace(result, layout=(*result.layout[:-3], plain(out.shape[-3]), *result.layout[-2:]))


def pixel_unshuffle(out: torch.Tensor, x: torch.Tensor, factor: int) -> Reach | None:
    """``aten::pixel_unshuffle``: places become channels."""
    reach = reach_of(x)
    if reach is None:
        return None
    sides = (factor, factor)
    moved = moved_window(reach, Geometry(sides, sides, (0, 0), (1, 1)), out.shape)
    return replace(moved, layout=(*moved.layout[:-3], plain(out.shape[-3]), *moved.layout[-2:]))


def unfold(
    out: torch.Tensor, x: torch.Tensor, kernel: Many, dilation: Many, padding: Many, stride: Many
) -> Reach | None:
    """``aten::im2col``: (N, C, H, W) to (N, C·k·k, places)."""
    reach = reach_of(x)
    if reach is None:
        return None
    told = Geometry(
        per_dimension(kernel, 2, 1),
        per_dimension(stride, 2, 1),
        per_dimension(padding, 2, 0),
        per_dimension(dilation, 2, 1),
    )
    sizes = [
        (x.shape[2 + i] + 2 * told.padding[i] - told.dilation[i] * (told.kernel[i] - 1) - 1) // told.stride[i] + 1
        for i in (0, 1)
    ]
    moved = moved_window(reach, told, (*x.shape[:2], *sizes))
    layout = (moved.layout[0], plain(out.shape[1]), moved.layout[2] + moved.layout[3])
    return replace(moved, layout=layout)


RULES: dict[str, Callable[..., Any]] = {
    **{f"conv{n}d": convolution(convolution_geometry) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": convolution(transposed_geometry) for n in (1, 2, 3)},
    "convolution": convolution(general_geometry),
    **{f"max_pool{n}d": pooling(max_pool_geometry) for n in (1, 2, 3)},
    **{f"max_pool{n}d_with_indices": pooling(max_pool_geometry) for n in (1, 2, 3)},
    **{f"avg_pool{n}d": pooling(average_pool_geometry) for n in (1, 2, 3)},
    **{f"adaptive_{kind}_pool{n}d": adaptive_pooling for kind in ("avg", "max") for n in (1, 2, 3)},
    **{f"_adaptive_avg_pool{n}d": adaptive_pooling for n in (2, 3)},
    **{f"upsample_nearest{n}d": interpolation("nearest") for n in (1, 2, 3)},
    **{f"_upsample_nearest_exact{n}d": interpolation("nearest_exact") for n in (1, 2, 3)},
    "upsample_linear1d": interpolation("linear"),
    "upsample_bilinear2d": interpolation("linear"),
    "upsample_trilinear3d": interpolation("linear"),
    "upsample_bicubic2d": interpolation("cubic"),
    "_upsample_bilinear2d_aa": interpolation("linear_antialias"),
    "_upsample_bicubic2d_aa": interpolation("cubic_antialias"),
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "im2col": unfold,
}
