"""LeCun et al. 1989, "Backpropagation applied to handwritten zip code recognition", Neural Computation 1(4)."""

from collections import OrderedDict
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from convscope.models.images.parts.lecun_units import PartialConv2d, ScaledTanh, draw_uniform
from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.paper_architecture import PaperArchitecture

# "Each unit in H2 combines local information coming from 8 of the 12 different feature maps in H1 [...] according to
# a scheme that will not be described here." This table is the simplest of that size.
H2_TABLE = [[*range(8)]] * 4 + [[*range(4, 12)]] * 4 + [[*range(4), *range(8, 12)]] * 4

Criterion = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class FeatureMaps(nn.Module):
    """Shared 5×5 kernels at every second position, and a separate bias for every unit (section "Feature maps").

    The input is padded with -1, the paper's background.

    Args:
        kernels: The convolution, of 5×5 kernels with stride 2 and without bias.
        maps: Number of feature maps.
        side: Side of the feature maps.
    """

    def __init__(self, kernels: nn.Module, maps: int, side: int) -> None:
        super().__init__()
        self.kernels = kernels
        self.bias = nn.Parameter(torch.zeros(maps, side, side))

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map (N, C, 2·side, 2·side) to (N, maps, side, side)."""
        return self.kernels(F.pad(x_NCHW, (2, 2, 2, 2), value=-1.0)) + self.bias


class LeCun1989(nn.Module):
    """Figure 3: H1 of 12 maps 8×8, H2 of 12 maps 4×4, H3 of 30 units, ten outputs.

    H1 has 12·25 weights and 768 biases, H2 12·8·25 and 192, H3 192·30 and 30, the output 30·10 and 10: 9,760 free
    parameters in 64,660 connections (19,968 + 38,592 + 5,790 + 310).

    Args:
        classes: Number of outputs.
        channels: Channels of the images.
        modern: Whether to use later inventions: ReLU, dropout before the dense layers, larger initial weights, an
            output without tanh for cross-entropy. Otherwise tanh everywhere and the squared error of the paper.
    """

    def __init__(self, classes: int = 10, channels: int = 1, modern: bool = False) -> None:
        super().__init__()
        self.modern = modern
        squash = nn.ReLU if modern else ScaledTanh
        h1 = nn.Conv2d(channels, 12, kernel_size=5, stride=2, bias=False)
        h2 = PartialConv2d(12, H2_TABLE, kernel_size=5, stride=2, bias=False)
        self.h1 = nn.Sequential(OrderedDict(maps=FeatureMaps(h1, 12, 8), squash=squash()))
        self.h2 = nn.Sequential(OrderedDict(maps=FeatureMaps(h2, 12, 4), squash=squash()))
        self.h3 = nn.Sequential(
            OrderedDict(
                flat=nn.Flatten(), dropout=nn.Dropout(0.1 if modern else 0.0), units=nn.Linear(192, 30), squash=squash()
            )
        )
        self.output = nn.Sequential(
            OrderedDict(units=nn.Linear(30, classes), squash=nn.Identity() if modern else ScaledTanh())
        )
        draw_uniform(self)
        if modern:
            self._draw_for_relu()

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map images (N, channels, 16, 16) between -1 and 1 to logits (N, classes)."""
        return self.output(self.h3(self.h2(self.h1(x_NCHW))))

    def training_loss(
        self, images: torch.Tensor, targets: torch.Tensor, criterion: Criterion
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss and the logits.

        The loss is half the squared distance of the logits to +1 for the class and -1 for the others (section
        "Experiments"); the modern variant uses ``criterion``.
        """
        logits = self(images)
        if self.modern:
            return criterion(logits, targets), logits
        shares = targets if targets.is_floating_point() else F.one_hot(targets, logits.shape[1])
        return 0.5 * (logits - (2.0 * shares - 1.0)).square().sum(dim=1).mean(), logits

    def _draw_for_relu(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            elif isinstance(module, PartialConv2d):
                nn.init.normal_(module.weight, std=(2.0 / module.fan_in[0]) ** 0.5)


def architecture(variant: str = "original") -> Architecture:
    """Return the network of the paper, ``original`` or ``modern``, for 16 × 16 pixels."""
    modern = variant == "modern"
    return PaperArchitecture(
        "lecun1989", lambda classes, channels, size: LeCun1989(classes, channels, modern), "output", 16, fixed=True
    )
