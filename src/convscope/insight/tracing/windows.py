"""The window of a convolution or pooling (kernel, stride, padding, dilation), read from ATen arguments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

Many = int | Sequence[int]


@dataclass(frozen=True, slots=True)
class Geometry:
    """A convolution or pooling window, with one number for each spatial dimension."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1
    transposed: bool = False


def per_dimension(value: Many | None, count: int, default: int) -> tuple[int, ...]:
    """Return ``value`` as one number for each of ``count`` dimensions; None or an empty list: ``default``."""
    if value is None:
        return (default,) * count
    if isinstance(value, int):
        return (value,) * count
    many = tuple(int(v) for v in value)
    return many * count if len(many) == 1 else many or (default,) * count


def convolution_geometry(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: Any = None,
    stride: Many = 1,
    padding: Many | str = 0,
    dilation: Many = 1,
    groups: int = 1,
    **_: Any,
) -> Geometry:
    """Return the window of ``aten::convNd``; for ``padding="same"``, the padding before the first position."""
    kernel = tuple(weight.shape[2:])
    count = len(kernel)
    dilations = per_dimension(dilation, count, 1)
    if isinstance(padding, str):
        same = padding == "same"
        padding = tuple(d * (k - 1) // 2 if same else 0 for k, d in zip(kernel, dilations, strict=True))
    return Geometry(kernel, per_dimension(stride, count, 1), per_dimension(padding, count, 0), dilations, groups)


def transposed_geometry(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: Any = None,
    stride: Many = 1,
    padding: Many = 0,
    output_padding: Many = 0,
    groups: int = 1,
    dilation: Many = 1,
) -> Geometry:
    """Return the window of ``aten::conv_transposeNd``."""
    count = weight.ndim - 2
    numbers = per_dimension(stride, count, 1), per_dimension(padding, count, 0), per_dimension(dilation, count, 1)
    return Geometry(tuple(weight.shape[2:]), *numbers, groups, transposed=True)


def general_geometry(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: Any,
    stride: Many,
    padding: Many,
    dilation: Many,
    transposed: bool,
    output_padding: Many,
    groups: int,
    *_: Any,
) -> Geometry:
    """Return the window of ``aten::convolution``."""
    if transposed:
        return transposed_geometry(x, weight, bias, stride, padding, output_padding, groups, dilation)
    return convolution_geometry(x, weight, bias, stride, padding, dilation, groups)


def max_pool_geometry(
    x: torch.Tensor, kernel: Many, stride: Many | None = None, padding: Many = 0, dilation: Many = 1, *_: Any, **__: Any
) -> Geometry:
    """Return the window of ``aten::max_poolNd``; ``ceil_mode`` adds output positions and does not change the window."""
    count = x.ndim - 2 if isinstance(kernel, int) or len(kernel) == 1 else len(kernel)
    sides = per_dimension(kernel, count, 1)
    strides = sides if stride is None or stride == [] else per_dimension(stride, count, 1)
    return Geometry(sides, strides, per_dimension(padding, count, 0), per_dimension(dilation, count, 1))


def average_pool_geometry(
    x: torch.Tensor, kernel: Many, stride: Many | None = None, padding: Many = 0, *_: Any, **__: Any
) -> Geometry:
    """Return the window of ``aten::avg_poolNd``."""
    return max_pool_geometry(x, kernel, stride, padding)
