"""Reach rules of windows over the input's axes: convolution, pooling, interpolation, and their inverses.

A rule takes the result of an operation and its arguments, in the order of ATen's schema, and returns the reach of the
result; or None if the argument does not depend on the network's input. Rules use only the shapes of tensors, not their
values.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch

from convscope.insight.tracing.carried_reach import reach_of
from convscope.insight.tracing.endings import Ending, final_axes, mark_followed
from convscope.insight.tracing.interval_maps import (
    IntervalMap,
    Resampling,
    resampled,
    transposed_window,
    window,
)
from convscope.insight.tracing.reach import Dimension, Reach, axes_in, factors_along, reduced, seeing_all, unmapped
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


def apply_window(reach: Reach, geometry: Geometry, shape: Sequence[int]) -> Reach:
    """Return the reach of a result of ``shape`` after a window moved along the last dimensions of ``reach``."""
    layout, maps, endings = list(reach.layout), list(reach.maps), reach.endings
    start = len(layout) - len(geometry.kernel)
    for index, k, s, p, d in zip(
        range(start, len(layout)), geometry.kernel, geometry.stride, geometry.padding, geometry.dilation, strict=True
    ):
        dimension, size = layout[index], shape[index]
        axis, whole = _axis_of(reach, dimension)
        if axis is None:
            layout[index] = unmapped(size)
        elif not whole:
            if (k, s) != (1, 1):
                layout[index], maps = _seeing_all_axes_of(dimension, size, maps)
        else:
            layout[index] = ((axis, size, 1),)
            below = maps[axis]
            length = dimension[0][1]
            if below is None:
                continue
            if (k, s) != (1, 1):
                endings = mark_followed(endings, axis)
            if geometry.transposed:
                maps[axis] = transposed_window(below, k, s, p, d)
                continue
            maps[axis] = window(below, k, s, p, d)
            if size == 1 and length == d * (k - 1) + 1 and length > 1 and p == 0 and axis not in reach.padded:
                endings |= {(axis, Ending())}
    return Reach(tuple(layout), tuple(maps), reach.context, endings=endings)


def _axis_of(reach: Reach, dimension: Dimension) -> tuple[int | None, bool]:
    """Return the axis along ``dimension`` or None, and whether the dimension is exactly that axis, in its own order."""
    axes = axes_in([dimension])
    if not axes:
        return None, True
    axis = min(axes)
    whole = len(dimension) == 1 and factors_along(reach.layout, axis) in ((), ((dimension[0][1], 1),))
    return axis, whole


def _seeing_all_axes_of(
    dimension: Dimension, size: int, maps: list[IntervalMap | None]
) -> tuple[Dimension, list[IntervalMap | None]]:
    """Return dimension and maps after a window over a dimension that mixes axes: its units see all of them."""
    axes = axes_in([dimension])
    return ((min(axes), size, 1),), [None if a in axes else m for a, m in enumerate(maps)]


def contracted(reach: Reach, dimension: int, size: int) -> Reach:
    """Return the reach of a weighted sum over ``dimension`` with ``size`` output channels, as of a dense layer."""
    dimension %= len(reach.layout)
    axes = axes_in([reach.layout[dimension]])
    mixed = reduced(reach, [dimension], keep=True) if axes else reach
    lost = [axis for axis in axes if mixed.maps[axis] is None and factors_along(reach.layout, axis)]
    channels: Dimension = ((min(lost), size, 1),) if lost else unmapped(size)
    layout = (*mixed.layout[:dimension], channels, *mixed.layout[dimension + 1 :])
    return replace(mixed, layout=layout)


def convolution(read_geometry: Callable[..., Geometry]) -> Callable[..., Reach | None]:
    """Return the rule of a convolution whose window ``read_geometry`` reads from its arguments."""

    def rule(out: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, *args: Any, **kwargs: Any) -> Reach | None:
        reach = reach_of(x)
        if reach is None:
            return None
        geometry = read_geometry(x, weight, *args, **kwargs)
        channels = len(reach.layout) - len(geometry.kernel) - 1
        return apply_window(contracted(reach, channels, out.shape[channels]), geometry, out.shape)

    return rule


def pooling(read_geometry: Callable[..., Geometry]) -> Callable[..., Any]:
    """Return the rule of a pooling, with or without indices, whose window ``read_geometry`` reads."""

    def rule(out: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        reach = reach_of(x)
        if reach is None:
            return None
        first = out[0] if isinstance(out, tuple) else out
        result = apply_window(reach, read_geometry(x, *args, **kwargs), first.shape)
        return (result, result) if isinstance(out, tuple) else result

    return rule


def resample_last(
    out: Any, x: torch.Tensor, kind: Resampling, ratios: Sequence[Fraction], aligned: bool = False
) -> Any:
    """Return the reach after resampling the last dimensions of ``x``, each by argument units per output unit."""
    reach = reach_of(x)
    if reach is None:
        return None
    first = out[0] if isinstance(out, tuple) else out
    layout, maps, endings, resized = list(reach.layout), list(reach.maps), reach.endings, reach.resized
    for index, ratio in zip(range(x.ndim - len(ratios), x.ndim), ratios, strict=True):
        size = first.shape[index]
        axis, whole = _axis_of(reach, layout[index])
        if axis is None:
            layout[index] = unmapped(size)
        elif not whole:
            layout[index], maps = _seeing_all_axes_of(layout[index], size, maps)
        else:
            layout[index] = ((axis, size, 1),)
            below = maps[axis]
            if kind == "adaptive" and size == 1:
                maps[axis] = None
            elif below is not None and ratio != 1:
                if kind == "adaptive":
                    endings, resized = mark_followed(endings, axis), True
                elif axis in final_axes(endings):
                    below = None  # global pooling, upsampled to a map
                maps[axis] = None if below is None else resampled(below, ratio, kind, aligned)
    result = Reach(tuple(layout), tuple(maps), reach.context, resized, endings=endings)
    return (result, result) if isinstance(out, tuple) else result


def adaptive_pooling(out: Any, x: torch.Tensor, size: Many, **_: Any) -> Any:
    """Return the reach of ``aten::adaptive_*_poolNd``."""
    first = out[0] if isinstance(out, tuple) else out
    count = len(size) if not isinstance(size, int) else x.ndim - 2
    ratios = [Fraction(x.shape[-d], first.shape[-d]) for d in range(count, 0, -1)]
    return resample_last(out, x, "adaptive", ratios)


def interpolation(kind: Resampling) -> Callable[..., Any]:
    """Return the rule of ``aten::upsample_*``: its ratio is that of the lengths, unless a scale factor was given."""

    def rule(out: torch.Tensor, x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        aligned = any(argument is True for argument in (*args, kwargs.get("align_corners")))
        scale_arguments = [a for a in (*args[1:], *kwargs.values()) if isinstance(a, (list, tuple, float))]
        factors = [f for a in scale_arguments for f in ([a] if isinstance(a, float) else a) if isinstance(f, float)]
        count = x.ndim - 2
        ratios = []
        for d in range(count):
            length, out_length = x.shape[2 + d], out.shape[2 + d]
            if aligned:
                ratios.append(Fraction(length - 1, out_length - 1) if out_length > 1 else Fraction(0))
            elif len(factors) == count and factors[d] > 0:
                ratios.append(1 / Fraction(factors[d]).limit_denominator(1000))
            else:
                ratios.append(Fraction(length, out_length))
        return resample_last(out, x, kind, ratios, aligned)

    return rule


def pixel_shuffle(out: torch.Tensor, x: torch.Tensor, factor: int) -> Reach | None:
    """Return the reach of ``aten::pixel_shuffle``: channels become positions that see what their old position saw."""
    reach = reach_of(x)
    if reach is None or axes_in(reach.layout[-3:-2]):
        return None if reach is None else seeing_all(reach, range(len(reach.maps)))
    result: Reach = resample_last(out, x, "nearest", [Fraction(1, factor)] * 2)
    return replace(result, layout=(*result.layout[:-3], unmapped(out.shape[-3]), *result.layout[-2:]))


def pixel_unshuffle(out: torch.Tensor, x: torch.Tensor, factor: int) -> Reach | None:
    """Return the reach of ``aten::pixel_unshuffle``: positions become channels."""
    reach = reach_of(x)
    if reach is None:
        return None
    sides = (factor, factor)
    moved = apply_window(reach, Geometry(sides, sides, (0, 0), (1, 1)), out.shape)
    return replace(moved, layout=(*moved.layout[:-3], unmapped(out.shape[-3]), *moved.layout[-2:]))


def unfold(
    out: torch.Tensor, x: torch.Tensor, kernel: Many, dilation: Many, padding: Many, stride: Many
) -> Reach | None:
    """Return the reach of ``aten::im2col``: (N, C, H, W) to (N, C·k·k, positions)."""
    reach = reach_of(x)
    if reach is None:
        return None
    geometry = Geometry(
        per_dimension(kernel, 2, 1),
        per_dimension(stride, 2, 1),
        per_dimension(padding, 2, 0),
        per_dimension(dilation, 2, 1),
    )
    sizes = [
        (x.shape[2 + i] + 2 * geometry.padding[i] - geometry.dilation[i] * (geometry.kernel[i] - 1) - 1)
        // geometry.stride[i]
        + 1
        for i in (0, 1)
    ]
    moved = apply_window(reach, geometry, (*x.shape[:2], *sizes))
    layout = (moved.layout[0], unmapped(out.shape[1]), moved.layout[2] + moved.layout[3])
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
