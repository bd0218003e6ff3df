"""Layers that LeCun's networks of 1989 and 1998 share and no library has."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn
from typing_extensions import override


class ScaledTanh(nn.Module):
    """1.7159 tanh(2x/3): it maps ±1 to ±1 (LeCun et al. 1989; LeCun et al. 1998, appendix A)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map any shape to the same shape."""
        return 1.7159 * torch.tanh(x * (2.0 / 3.0))


class PartialConv2d(nn.Module):
    """A convolution that connects each of its feature maps to only some maps of its input, by a table.

    Only the kernels of these connections are parameters. The forward pass writes them into a dense weight, so it
    needs the multiply-adds of a full convolution.

    Args:
        channels: Number of maps of the input.
        table: For every map of the output, the indices of the maps of the input that it is connected to.
        kernel_size: Side of the kernels.
        stride: Stride of the convolution.
        bias: Whether each map has a bias.
    """

    def __init__(
        self, channels: int, table: Sequence[Sequence[int]], kernel_size: int, stride: int = 1, bias: bool = True
    ) -> None:
        super().__init__()
        self.stride = stride
        self.shape = (len(table), channels, kernel_size, kernel_size)
        self.fan_in = [len(row) * kernel_size**2 for row in table]
        targets = [target for target, row in enumerate(table) for _ in row]
        sources = [source for row in table for source in row]
        self.weight = nn.Parameter(torch.empty(len(sources), kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(len(table))) if bias else None
        self.register_buffer("places", torch.tensor([targets, sources]), persistent=False)
        self.places: torch.Tensor

    def dense_weight(self) -> torch.Tensor:
        """Return the kernels (maps, channels, side, side), which are zero where the table has no connection."""
        targets, sources = self.places
        return self.weight.new_zeros(self.shape).index_put((targets, sources), self.weight)

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map (N, channels, H, W) to (N, maps, H', W'), without padding."""
        return F.conv2d(x_NCHW, self.dense_weight(), self.bias, self.stride)

    @override
    def extra_repr(self) -> str:
        maps, channels, side, _ = self.shape
        return f"{channels}, {maps}, kernel_size=({side}, {side}), stride={self.stride}, kernels={len(self.weight)}"


def draw_uniform(network: nn.Module, bound: float = 2.4) -> None:
    """Draw weights uniformly from ±``bound``/F, where F is the number of inputs of their unit; set biases to 0.

    2.4 is the papers' value (1989, "Experiments"; 1998, section III): the sums then stay where the tanh is steep.
    """
    for module in network.modules():
        if isinstance(module, PartialConv2d):
            fans = torch.tensor(module.fan_in, device=module.weight.device)[module.places[0]].view(-1, 1, 1)
            with torch.no_grad():
                module.weight.uniform_(-1, 1).mul_(bound / fans)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            fan = module.weight[0].numel()
            nn.init.uniform_(module.weight, -bound / fan, bound / fan)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
