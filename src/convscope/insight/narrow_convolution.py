"""The input derivative of a network's first convolution, computed as a forward convolution.

Libraries are slow at it: the backward pass turns a signal of many channels into one of three, through a large kernel
with a stride above 1. Each of the ``stride``² phases of the image's pixels gets a convolution of its own, with stride 1
and a smaller kernel; together they are one convolution whose output is pixel-shuffled into place (the equivalence of
Shi et al. 2016, "Is the deconvolution layer the same as a convolutional layer?").
"""

from typing import Any

import torch
import torch.nn.functional as F

MAX_CHANNELS, MIN_KERNEL, MIN_STRIDE = 4, 5, 2  # measured to be faster within these limits, on CPUs


def is_suitable(
    inputs: torch.Tensor, weight: torch.Tensor, stride: Any, padding: Any, dilation: Any, groups: int
) -> bool:
    """Return whether `convolve` is faster here than PyTorch: a large square kernel, strided, few channels, on a CPU."""
    return (
        inputs.device.type == "cpu"
        and weight.ndim == 4
        and weight.shape[1] <= MAX_CHANNELS
        and weight.shape[2] == weight.shape[3] >= MIN_KERNEL
        and _common_value(stride) >= MIN_STRIDE
        and _common_value(padding) >= 0
        and _common_value(dilation) == 1
        and groups == 1
    )


def convolve(
    inputs: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> torch.Tensor:
    """Compute ``torch.conv2d`` with frozen weights, and with a faster derivative by ``inputs`` (N, C, H, W).

    The arguments are those of ``torch.conv2d`` that `is_suitable` accepts.
    """
    return _Narrow.apply(inputs, weight, bias, _common_value(stride), _common_value(padding))


class _Narrow(torch.autograd.Function):
    """Computes ``F.conv2d`` forward and `input_derivative` backward; weight and bias get no gradient."""

    @staticmethod
    def forward(
        ctx: Any, inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, stride: int, padding: int
    ) -> torch.Tensor:
        ctx.save_for_backward(weight)
        ctx.stride, ctx.padding, ctx.size = stride, padding, inputs.shape[2:]
        return F.conv2d(inputs, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        gradient = input_derivative(gradients[0], weight, ctx.stride, ctx.padding, tuple(ctx.size))
        return gradient, None, None, None, None


def input_derivative(
    gradient: torch.Tensor, weight: torch.Tensor, stride: int, padding: int, size: tuple[int, int]
) -> torch.Tensor:
    """Return the derivatives by the input (N, C, H, W) from ``gradient``, those by the output (N, O, h, w).

    Pixel ``stride·a + r`` contributes to output ``a - m`` through tap ``stride·m + r + padding`` of the kernel.

    Args:
        gradient: Derivatives by the output, (N, O, h, w).
        weight: (O, C, K, K).
        stride: Of both directions.
        padding: On each side.
        size: H and W of the input.
    """
    phases, first, last = _phase_kernels(weight, stride, padding)
    rows, columns = (-(-length // stride) for length in size)
    below, right = rows - first - gradient.shape[2], columns - first - gradient.shape[3]
    if min(last, below, right) < 0:
        shuffled = F.conv2d(F.pad(gradient, (last, right, last, below)), phases)
    else:
        # F.conv2d pads both sides alike: computing a few rows too many costs less than a padded copy.
        margins = max(last, below), max(last, right)
        top, left = margins[0] - last, margins[1] - last
        shuffled = F.conv2d(gradient, phases, padding=margins)[..., top : top + rows, left : left + columns]
    return F.pixel_shuffle(shuffled, stride)[..., : size[0], : size[1]]


def _phase_kernels(weight: torch.Tensor, stride: int, padding: int) -> tuple[torch.Tensor, int, int]:
    """Return the kernels (C·stride², O, M, M) of all phases, and the smallest and largest shift m."""
    kernel = weight.shape[2]
    first = min(-((r + padding) // stride) for r in range(stride))
    last = max((kernel - 1 - r - padding) // stride for r in range(stride))
    taps = last - first + 1
    # tap[r, j] is the tap of phase r for m = last - j: a convolution's kernel index runs opposite to m
    m = torch.arange(last, first - 1, -1, device=weight.device)
    tap = stride * m + torch.arange(stride, device=weight.device)[:, None] + padding
    inside = ((tap >= 0) & (tap < kernel)).to(weight.dtype)
    tap = tap.clamp(0, kernel - 1).flatten()
    chosen = weight[:, :, tap][:, :, :, tap].unflatten(3, (stride, taps)).unflatten(2, (stride, taps))
    chosen = chosen * inside[:, :, None, None] * inside
    phases = chosen.permute(1, 2, 4, 0, 3, 5).flatten(0, 2)  # (O, C, r, j, r', j') to (C·r·r', O, j, j')
    return phases.contiguous(memory_format=torch.channels_last), first, last


def _common_value(value: Any) -> int:
    """Return the number that holds for both directions; -1 if they differ or ``value`` is a string like "same"."""
    if isinstance(value, int):
        return value
    if isinstance(value, str) or len(set(value)) != 1:
        return -1
    return int(value[0])
