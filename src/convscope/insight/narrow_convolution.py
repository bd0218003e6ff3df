"""The derivative of a network's first convolution by its pixels, as a convolution forward.

Libraries are slow at it: a signal of many channels becomes one of three, through a large kernel that moves by more than
a pixel. Seen from the pixels, each of the ``stride``² phases of the image gets a convolution of its own with stride 1
and a smaller kernel; together they are one convolution whose output is shuffled into place (the equivalence of Shi et
al. 2016, "Is the deconvolution layer the same as a convolutional layer?").
"""

from typing import Any

import torch
import torch.nn.functional as F

MOST_CHANNELS, LEAST_KERNEL, LEAST_STRIDE = 4, 5, 2  # where it was measured to be faster, on CPUs


def suits(inputs: torch.Tensor, weight: torch.Tensor, stride: Any, padding: Any, dilation: Any, groups: int) -> bool:
    """Whether the convolution is of the kind that is faster this way: square, large, strided, of few channels."""
    return (
        inputs.device.type == "cpu"
        and weight.ndim == 4
        and weight.shape[1] <= MOST_CHANNELS
        and weight.shape[2] == weight.shape[3] >= LEAST_KERNEL
        and _same(stride) >= LEAST_STRIDE
        and _same(padding) >= 0
        and _same(dilation) == 1
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
    """``torch.conv2d`` with frozen weights, of the kind that `suits`; its derivative by ``inputs`` (N, C, H, W) too."""
    return _Narrow.apply(inputs, weight, bias, _same(stride), _same(padding))


class _Narrow(torch.autograd.Function):
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
        by_inputs = derivative_by_inputs(gradients[0], weight, ctx.stride, ctx.padding, tuple(ctx.size))
        return by_inputs, None, None, None, None


def derivative_by_inputs(
    gradient: torch.Tensor, weight: torch.Tensor, stride: int, padding: int, size: tuple[int, int]
) -> torch.Tensor:
    """From the derivatives by the output (N, O, h, w) those by the input (N, C, H, W), ``size`` being H and W.

    The pixel ``stride·a + r`` meets the output ``a - m`` through the tap ``stride·m + r + padding`` of the kernel.
    """
    phases, first, last = _phases(weight, stride, padding)
    rows, columns = (-(-length // stride) for length in size)
    below, right = rows - first - gradient.shape[2], columns - first - gradient.shape[3]
    if min(last, below, right) < 0:
        shuffled = F.conv2d(F.pad(gradient, (last, right, last, below)), phases)
    else:
        # The convolution's own padding is the same on both sides: a line too much costs less than a padded copy.
        margins = max(last, below), max(last, right)
        top, left = margins[0] - last, margins[1] - last
        shuffled = F.conv2d(gradient, phases, padding=margins)[..., top : top + rows, left : left + columns]
    return F.pixel_shuffle(shuffled, stride)[..., : size[0], : size[1]]


def _phases(weight: torch.Tensor, stride: int, padding: int) -> tuple[torch.Tensor, int, int]:
    """The kernels (C·stride², O, M, M) of all phases, and the least and largest m."""
    kernel = weight.shape[2]
    first = min(-((r + padding) // stride) for r in range(stride))
    last = max((kernel - 1 - r - padding) // stride for r in range(stride))
    taps = last - first + 1
    # taps[r, j] is the tap of phase r for m = last - j: the kernel of a convolution runs against m
    m = torch.arange(last, first - 1, -1, device=weight.device)
    tap = stride * m + torch.arange(stride, device=weight.device)[:, None] + padding
    inside = ((tap >= 0) & (tap < kernel)).to(weight.dtype)
    tap = tap.clamp(0, kernel - 1).flatten()
    chosen = weight[:, :, tap][:, :, :, tap].unflatten(3, (stride, taps)).unflatten(2, (stride, taps))
    chosen = chosen * inside[:, :, None, None] * inside
    phases = chosen.permute(1, 2, 4, 0, 3, 5).flatten(0, 2)  # (O, C, r, j, r', j') to (C·r·r', O, j, j')
    return phases.contiguous(memory_format=torch.channels_last), first, last


def _same(value: Any) -> int:
    """The number, where both directions have the same; -1 where they have not, or it is a word."""
    if isinstance(value, int):
        return value
    if isinstance(value, str) or len(set(value)) != 1:
        return -1
    return int(value[0])
