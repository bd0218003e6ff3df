"""The way of derivatives through max pooling: which input won each window, and how overlapping windows add up.

The derivative of a maximum is 1 for the input that it was taken from and 0 for the others, so each output hands its
whole derivative to the winner of its window; an input that won several windows gets the sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from convscope.errors import UserError

Pair = int | Sequence[int]


@dataclass(frozen=True)
class Routing:
    """A max pooling that can be looked into.

    Attributes:
        output: (..., h, w), the maxima.
        winners: (..., h, w) int64, the place ``row * W + column`` in the input of the element that won each window.
            Of equal elements it is the first in reading order, as in PyTorch.
        input_size: H and W of the input.
    """

    output: torch.Tensor
    winners: torch.Tensor
    input_size: tuple[int, int]

    @property
    def rows(self) -> torch.Tensor:
        """Row in the input of each window's winner, (..., h, w)."""
        return self.winners // self.input_size[1]

    @property
    def columns(self) -> torch.Tensor:
        """Column in the input of each window's winner, (..., h, w)."""
        return self.winners % self.input_size[1]

    def backward(self, derivatives: torch.Tensor) -> torch.Tensor:
        """The derivatives by the input (..., H, W), from those by the output (..., h, w).

        Raises:
            UserError: ``derivatives`` are not of the output's shape.
        """
        if derivatives.shape != self.output.shape:
            raise UserError(
                f"derivatives: are {_by(derivatives.shape[-2:])}, and the output is {_by(self.output.shape[-2:])}"
            )
        flat = derivatives.new_zeros(*derivatives.shape[:-2], self.input_size[0] * self.input_size[1])
        flat.scatter_add_(-1, self.winners.flatten(-2), derivatives.flatten(-2))
        return flat.unflatten(-1, self.input_size)


def route(
    inputs: torch.Tensor,
    kernel: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
) -> Routing:
    """Max pooling of ``inputs`` (..., H, W), with the way that derivatives take back through it.

    The arguments are those of ``torch.nn.MaxPool2d``, and so are output and derivatives; this is written by its
    definition, without autograd, to be read and printed.

    Raises:
        UserError: The window does not fit, or an argument is out of its range.
    """
    if inputs.ndim < 2 or inputs.numel() == 0:
        raise UserError("input: must be a matrix, or a batch of them")
    (kh, kw), (ph, pw), (dh, dw) = _two("kernel", kernel), _two("padding", padding, 0), _two("dilation", dilation)
    sh, sw = (kh, kw) if stride is None else _two("stride", stride)
    if ph > kh // 2 or pw > kw // 2:
        raise UserError(f"padding={ph}×{pw}: must be at most half the kernel's {kh}×{kw}")
    height, width = inputs.shape[-2:]
    rows = _length(height, kh, sh, ph, dh, ceil_mode)
    columns = _length(width, kw, sw, pw, dw, ceil_mode)
    if rows < 1 or columns < 1:
        raise UserError(
            f"kernel={kh}×{kw}: the window does not fit into the {height}×{width} matrix; take a smaller one"
        )
    # Where each element of each window lies: (h, kh) rows and (w, kw) columns of the input, outside of it in the border
    down = torch.arange(rows)[:, None] * sh - ph + torch.arange(kh) * dh
    right = torch.arange(columns)[:, None] * sw - pw + torch.arange(kw) * dw
    inside = ((down >= 0) & (down < height))[:, None, :, None] & ((right >= 0) & (right < width))[None, :, None, :]
    places = down.clamp(0, height - 1)[:, None, :, None] * width + right.clamp(0, width - 1)[None, :, None, :]
    places, inside = places.flatten(2).to(inputs.device), inside.flatten(2).to(inputs.device)  # (h, w, kh·kw)
    lowest = -torch.inf if inputs.is_floating_point() else torch.iinfo(inputs.dtype).min
    elements = torch.where(inside, inputs.flatten(-2)[..., places], lowest)
    # A window of nothing but -inf must not choose the border: rank what lies inside above it.
    best = elements.amax(dim=-1, keepdim=True)
    first = ((elements == best) | elements.isnan()).logical_and(inside).to(torch.uint8).argmax(dim=-1, keepdim=True)
    output = elements.gather(-1, first)[..., 0]
    winners = places.expand(*elements.shape).gather(-1, first)[..., 0]
    return Routing(output, winners, (height, width))


def _length(length: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """⌊(n + 2p − d(k−1) − 1) / s⌋ + 1; rounded up, a last window must begin inside the input or its left border."""
    room = length + 2 * padding - dilation * (kernel - 1) - 1
    if room < 0 and not ceil_mode:
        return 0
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= length + padding else count


def _two(name: str, value: Pair, least: int = 1) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or not all(isinstance(part, int) and part >= least for part in pair):
        raise UserError(f"{name}={value}: must be one or two whole numbers, {least} or more")
    return pair[0], pair[1]


def _by(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))
