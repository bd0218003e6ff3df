"""Multiply-adds of an operation, from the shapes of its arguments and its result.

Convolutions, dense layers, matrix products, attention and recurrence are counted, as the papers that state
multiply-adds count; biases, normalisation, pooling and activations are not.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch


def convolution(out: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, *_: Any, **__: Any) -> int:
    """Each output is a sum over a window and the channels of its group: weight (out, in / groups, k, ...)."""
    return out.numel() * math.prod(weight.shape[1:])


def transposed_convolution(out: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, *_: Any, **__: Any) -> int:
    """Each input is spread over a window and the channels of its group: weight (in, out / groups, k, ...)."""
    return x.numel() * math.prod(weight.shape[1:])


def general_convolution(out: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, *rest: Any) -> int:
    """``aten::convolution``, whose fifth argument after the weight tells whether it is transposed."""
    return transposed_convolution(out, x, weight) if rest[4] else convolution(out, x, weight)


def product(out: torch.Tensor, one: torch.Tensor, other: torch.Tensor, *_: Any, **__: Any) -> int:
    """(..., M, K) × (..., K, N), and dense layers."""
    return out.numel() * one.shape[-1]


def added_product(out: torch.Tensor, bias: torch.Tensor, one: torch.Tensor, *_: Any, **__: Any) -> int:
    """Bias plus product."""
    return out.numel() * one.shape[-1]


def attention(out: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any) -> int:
    """Scores and weighted values: (..., L, E), (..., S, E), (..., S, V)."""
    return math.prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def recurrence(out: Any, x: torch.Tensor, hidden: Any, weights: Sequence[torch.Tensor], *_: Any, **__: Any) -> int:
    """Every matrix once for each place of each sequence (batch and places are the first two dimensions)."""
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
