"""Multiply-adds of an operation, from the shapes of its arguments and its result.

Convolutions, dense layers, matrix products, attention and recurrence are counted, as in papers that state
multiply-adds; biases, normalisation, pooling and activations are not.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch


def convolution(out: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, *_: Any, **__: Any) -> int:
    """Count a convolution, weight (out, in / groups, k, ...).

    Each output is a sum over a window and the channels of its group.
    """
    return out.numel() * math.prod(weight.shape[1:])


def transposed_convolution(out: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, *_: Any, **__: Any) -> int:
    """Count a transposed convolution, weight (in, out / groups, k, ...).

    Each input contributes to a window and the channels of its group.
    """
    return x.numel() * math.prod(weight.shape[1:])


def general_convolution(out: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, *rest: Any) -> int:
    """Count ``aten::convolution``, whose fifth argument after the weight says whether it is transposed."""
    return transposed_convolution(out, x, weight) if rest[4] else convolution(out, x, weight)


def product(out: torch.Tensor, left: torch.Tensor, right: torch.Tensor, *_: Any, **__: Any) -> int:
    """Count a matrix product (..., M, K) × (..., K, N), or a dense layer."""
    return out.numel() * left.shape[-1]


def added_product(out: torch.Tensor, bias: torch.Tensor, left: torch.Tensor, *_: Any, **__: Any) -> int:
    """Count a matrix product to which a bias is added."""
    return out.numel() * left.shape[-1]


def attention(out: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any) -> int:
    """Count attention scores and weighted values: query (..., L, E), key (..., S, E), value (..., S, V)."""
    return math.prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def recurrence(out: Any, x: torch.Tensor, hidden: Any, weights: Sequence[torch.Tensor], *_: Any, **__: Any) -> int:
    """Count every matrix once for each step of each sequence: batch and steps are the first two dimensions of ``x``."""
    return math.prod(x.shape[:2]) * sum(weight.numel() for weight in weights if weight.ndim == 2)


COSTS: dict[str, Callable[..., int]] = {
    **{f"conv{n}d": convolution for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": transposed_convolution for n in (1, 2, 3)},
    "convolution": general_convolution,
    **dict.fromkeys(("linear", "matmul", "mm", "bmm", "mv", "dot"), product),
    **dict.fromkeys(("addmm", "baddbmm", "addmv"), added_product),
    **dict.fromkeys(("scaled_dot_product_attention", "_scaled_dot_product_attention_math"), attention),
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), recurrence),
}
