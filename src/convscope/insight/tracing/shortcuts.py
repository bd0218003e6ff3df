"""Output shapes of the most common operations, computed without PyTorch's meta kernels.

Those kernels are decompositions in Python, which take longer than the rest of a traced pass together. A shortcut
returns None for any case that it is not sure of, and PyTorch computes it. It also returns None for mismatched shapes,
so that PyTorch raises its own error.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from convscope.insight.tracing.windows import convolution_geometry

Shortcut = Callable[..., torch.Tensor | None]


def _empty(x: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Return a meta tensor of ``shape`` with the dtype of ``x``."""
    return torch.empty(shape, dtype=x.dtype, device="meta")


def convolution(x: torch.Tensor, weight: torch.Tensor, bias: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Return the output of ``aten::convNd`` for a batch, if its padding is given in numbers."""
    if x.ndim != weight.ndim or x.dtype != weight.dtype or any(isinstance(a, str) for a in args):
        return None
    geometry = convolution_geometry(x, weight, bias, *args, **kwargs)
    if isinstance(kwargs.get("padding"), str) or weight.shape[1] * geometry.groups != x.shape[1]:
        return None
    sizes = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(
            x.shape[2:], geometry.kernel, geometry.stride, geometry.padding, geometry.dilation, strict=True
        )
    ]
    return _empty(x, (x.shape[0], weight.shape[0], *sizes)) if min(sizes) > 0 else None


def batch_norm(
    x: torch.Tensor, weight: Any, bias: Any, mean: torch.Tensor | None, var: Any, training: bool, *_: Any
) -> Any:
    """Return the output of ``aten::batch_norm`` with running statistics."""
    if training or mean is None or x.ndim < 2 or mean.shape[0] != x.shape[1]:
        return None
    return torch.empty_like(x)


def dense(x: torch.Tensor, weight: torch.Tensor, bias: Any = None) -> Any:
    """Return the output of ``aten::linear``."""
    if weight.ndim != 2 or x.shape[-1] != weight.shape[1] or x.dtype != weight.dtype:
        return None
    return _empty(x, (*x.shape[:-1], weight.shape[0]))


def unary(x: torch.Tensor, *_: Any, **__: Any) -> Any:
    """Return the output of an activation function of floating-point values."""
    return torch.empty_like(x) if x.is_floating_point() else None


def in_place(x: torch.Tensor, *_: Any, **__: Any) -> Any:
    """Return ``x`` itself, which an in-place activation function changes."""
    return x


def layer_norm(x: torch.Tensor, shape: Sequence[int], *_: Any, **__: Any) -> Any:
    """Return the output of ``aten::layer_norm``."""
    return torch.empty_like(x) if tuple(x.shape[x.ndim - len(shape) :]) == tuple(shape) else None


def sum_of_two(x: torch.Tensor, y: Any, *_: Any, **__: Any) -> Any:
    """Return the output of arithmetic on two tensors of the same shape and dtype."""
    alike = isinstance(y, torch.Tensor) and x.shape == y.shape and x.dtype == y.dtype
    return torch.empty_like(x) if alike else None


def sum_in_place(x: torch.Tensor, y: Any, *_: Any, **__: Any) -> Any:
    """Return ``x`` itself, which in-place arithmetic with a tensor of the same shape and dtype changes."""
    return x if isinstance(y, torch.Tensor) and x.shape == y.shape and x.dtype == y.dtype else None


def concatenation(tensors: Sequence[torch.Tensor], dimension: int = 0) -> Any:
    """Return the output of ``aten::cat`` for tensors that have the same size in all other dimensions."""
    first = tensors[0]
    d = dimension % first.ndim if first.ndim else 0
    other_sizes = (*first.shape[:d], *first.shape[d + 1 :])
    if any(t.dtype != first.dtype or (*t.shape[:d], *t.shape[d + 1 :]) != other_sizes for t in tensors):
        return None
    return _empty(first, (*first.shape[:d], sum(t.shape[d] for t in tensors), *first.shape[d + 1 :]))


ACTIVATIONS = ("relu", "relu6", "silu", "gelu", "sigmoid", "hardtanh", "hardswish", "hardsigmoid", "leaky_relu", "elu")

SHORTCUTS: dict[str, Shortcut] = {
    **{f"conv{n}d": convolution for n in (1, 2, 3)},
    "batch_norm": batch_norm,
    "linear": dense,
    **dict.fromkeys(ACTIVATIONS, unary),
    **{f"{name}_": in_place for name in ACTIVATIONS},
    "layer_norm": layer_norm,
    **dict.fromkeys(("add", "mul"), sum_of_two),
    **dict.fromkeys(("add_", "mul_"), sum_in_place),
    "cat": concatenation,
}
