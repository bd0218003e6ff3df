"""Max pooling whose backward pass can be inspected: which input won each window, and how overlapping windows add up.

The derivative of a maximum is 1 for the input that it was taken from and 0 for the others. So each output passes its
whole derivative to the winner of its window, and an input that won several windows gets the sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from convscope.errors import UserError

Pair = int | Sequence[int]


@dataclass(frozen=True)
class Routing:
    """The result of a max pooling, with the input element that won each window.

    Attributes:
        output: (..., h, w), the maxima.
        winners: (..., h, w) int64, the flat input index ``row * W + column`` of the element that won each window.
            Of equal elements it is the first in reading order, as in PyTorch.
        input_size: H and W of the input.
    """

    output: torch.Tensor
    winners: torch.Tensor
    input_size: tuple[int, int]

    @property
    def rows(self) -> torch.Tensor:
        """Input row of each window's winner, (..., h, w)."""
        return self.winners // self.input_size[1]

    @property
    def columns(self) -> torch.Tensor:
        """Input column of each window's winner, (..., h, w)."""
        return self.winners % self.input_size[1]

    def backward(self, derivatives: torch.Tensor) -> torch.Tensor:
        """Return the derivatives by the input (..., H, W) from ``derivatives``, those by the output (..., h, w).

        Raises:
            UserError: ``derivatives`` do not have the output's shape.
        """
        if derivatives.shape != self.output.shape:
            raise UserError(
                f"derivatives: are {_format_shape(derivatives.shape[-2:])}, "
                f"and the output is {_format_shape(self.output.shape[-2:])}"
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
    """Max-pool ``inputs`` (..., H, W), and record which element won each window.

    Arguments, output and derivatives are those of ``torch.nn.MaxPool2d``. This implements its definition directly,
    without autograd, so that the winners can be printed.

    Args:
        inputs: (..., H, W), of any numeric dtype.
        kernel: Rows and columns of the window, or one number for both.
        stride: Steps of the window; None: those of ``kernel``.
        padding: Rows and columns of -inf on each side, at most half of ``kernel``.
        dilation: Distance of neighbouring elements of a window.
        ceil_mode: Round the output size up, not down.

    Raises:
        UserError: The window does not fit, or an argument is out of range.
    """
    if inputs.ndim < 2 or inputs.numel() == 0:
        raise UserError("input: must be a matrix, or a batch of them")
    (kh, kw), (ph, pw), (dh, dw) = _pair("kernel", kernel), _pair("padding", padding, 0), _pair("dilation", dilation)
    sh, sw = (kh, kw) if stride is None else _pair("stride", stride)
    if ph > kh // 2 or pw > kw // 2:
        raise UserError(f"padding={ph}×{pw}: must be at most half the kernel's {kh}×{kw}")
    height, width = inputs.shape[-2:]
    rows = _output_length(height, kh, sh, ph, dh, ceil_mode)
    columns = _output_length(width, kw, sw, pw, dw, ceil_mode)
    if rows < 1 or columns < 1:
        raise UserError(
            f"kernel={kh}×{kw}: the window does not fit into the {height}×{width} matrix; take a smaller one"
        )
    # Input rows (h, kh) and columns (w, kw) of each window's elements; in the padding they lie outside the input.
    tap_rows = torch.arange(rows)[:, None] * sh - ph + torch.arange(kh) * dh
    tap_columns = torch.arange(columns)[:, None] * sw - pw + torch.arange(kw) * dw
    inside = ((tap_rows >= 0) & (tap_rows < height))[:, None, :, None] & ((tap_columns >= 0) & (tap_columns < width))[
        None, :, None, :
    ]
    indices = (
        tap_rows.clamp(0, height - 1)[:, None, :, None] * width + tap_columns.clamp(0, width - 1)[None, :, None, :]
    )
    indices, inside = indices.flatten(2).to(inputs.device), inside.flatten(2).to(inputs.device)  # (h, w, kh·kw)
    lowest = -torch.inf if inputs.is_floating_point() else torch.iinfo(inputs.dtype).min
    elements = torch.where(inside, inputs.flatten(-2)[..., indices], lowest)
    # In a window of nothing but -inf the winner must not be padding: only elements inside the input count.
    best = elements.amax(dim=-1, keepdim=True)
    first = ((elements == best) | elements.isnan()).logical_and(inside).to(torch.uint8).argmax(dim=-1, keepdim=True)
    output = elements.gather(-1, first)[..., 0]
    winners = indices.expand(*elements.shape).gather(-1, first)[..., 0]
    return Routing(output, winners, (height, width))


def _output_length(length: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """Return the output size ⌊(n + 2p − d(k−1) − 1) / s⌋ + 1.

    With ``ceil_mode`` it is rounded up, but the last window must begin inside the input or its left padding.
    """
    room = length + 2 * padding - dilation * (kernel - 1) - 1
    if room < 0 and not ceil_mode:
        return 0
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= length + padding else count


def _pair(name: str, value: Pair, minimum: int = 1) -> tuple[int, int]:
    """Return ``value`` as two numbers; raise UserError if one is below ``minimum``; ``name`` is for the message."""
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or not all(isinstance(part, int) and part >= minimum for part in pair):
        raise UserError(f"{name}={value}: must be one or two whole numbers, {minimum} or more")
    return pair[0], pair[1]


def _format_shape(shape: Sequence[int]) -> str:
    """Return a shape such as "3×5"."""
    return "×".join(map(str, shape))
