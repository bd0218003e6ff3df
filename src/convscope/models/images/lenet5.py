"""LeNet-5: LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition"."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

from convscope.models.images.parts.lecun_units import PartialConv2d, ScaledTanh, draw_uniform
from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.paper_architecture import SYMMETRIC, PaperArchitecture, Scale

# Table I: the feature maps of S2 that each map of C3 is connected to.
C3_TABLE = [
    [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [0, 4, 5], [0, 1, 5],
    [0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5], [0, 3, 4, 5], [0, 1, 4, 5], [0, 1, 2, 5],
    [0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5],
    [0, 1, 2, 3, 4, 5],
]  # fmt: skip


class LeNet5(nn.Module):
    """The layers of section II.B and figure 2, with later replacements of their parts.

    These are max pooling instead of trained averages, ReLU instead of a scaled tanh, every map of C3 connected to all
    maps of S2, and a dense softmax layer instead of radial basis functions: 61,706 parameters for one channel and ten
    classes.
    """

    def __init__(self, classes: int = 10, channels: int = 1) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(channels, 6, kernel_size=5)
        self.s2 = nn.MaxPool2d(2)
        self.c3 = nn.Conv2d(6, 16, kernel_size=5)
        self.s4 = nn.MaxPool2d(2)
        self.c5 = nn.Conv2d(16, 120, kernel_size=5)
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, classes)
        self.activation = nn.ReLU()

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map images (N, channels, 32, 32) to logits (N, classes)."""
        x = self.s2(self.activation(self.c1(x_NCHW)))
        x = self.s4(self.activation(self.c3(x)))
        x = self.activation(self.c5(x)).flatten(1)
        return self.output(self.activation(self.f6(x)))


class Subsampling(nn.Module):
    """The sum of 2×2 neighbours, times a trained coefficient, plus a trained bias: two parameters per map."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.sum = nn.AvgPool2d(2, divisor_override=1)
        # With the initial coefficient of 1/4 the output is the average.
        self.coefficient = nn.Parameter(torch.full((maps, 1, 1), 0.25))
        self.bias = nn.Parameter(torch.zeros(maps, 1, 1))

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map (N, maps, H, W) to (N, maps, H/2, W/2)."""
        return self.sum(x_NCHW) * self.coefficient + self.bias


class RadialBasis(nn.Module):
    """Minus the squared distance to the code of each class (equation 7); cross-entropy over it is equation 9, j = ∞.

    The codes are fixed and consist of +1 and -1. The paper draws them as images of ASCII characters, so that similar
    characters have similar codes. The classes here may be anything, so this uses the paper's other choice, codes
    "chosen at random with equal probabilities".
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1998)
        codes = torch.randint(0, 2, (classes, features), generator=generator, device="cpu") * 2.0 - 1.0
        self.register_buffer("codes", codes.to(torch.get_default_device()))
        self.codes: torch.Tensor

    def forward(self, x_NF: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map (N, features) to logits (N, classes)."""
        squares = x_NF.square().sum(dim=1, keepdim=True) + self.codes.square().sum(dim=1)
        return 2.0 * F.linear(x_NF, self.codes) - squares


class OriginalLeNet5(nn.Module):
    """LeNet-5 as in section II.B: 60,000 trainable parameters for one channel and ten classes.

    C1 156, S2 12, C3 1,516 by table I, S4 32, C5 48,120, F6 10,164; the output's codes are fixed.
    """

    def __init__(self, classes: int = 10, channels: int = 1) -> None:
        super().__init__()
        self.c1 = nn.Sequential(OrderedDict(maps=nn.Conv2d(channels, 6, kernel_size=5), squash=ScaledTanh()))
        self.s2 = nn.Sequential(OrderedDict(maps=Subsampling(6), squash=ScaledTanh()))
        self.c3 = nn.Sequential(OrderedDict(maps=PartialConv2d(6, C3_TABLE, kernel_size=5), squash=ScaledTanh()))
        self.s4 = nn.Sequential(OrderedDict(maps=Subsampling(16), squash=ScaledTanh()))
        self.c5 = nn.Sequential(
            OrderedDict(maps=nn.Conv2d(16, 120, kernel_size=5), squash=ScaledTanh(), flat=nn.Flatten())
        )
        self.output = nn.Sequential(
            OrderedDict(f6=nn.Linear(120, 84), squash=ScaledTanh(), distances=RadialBasis(84, classes))
        )
        draw_uniform(self)

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map images (N, channels, 32, 32) to logits (N, classes)."""
        x = self.s2(self.c1(x_NCHW))
        x = self.s4(self.c3(x))
        return self.output(self.c5(x))


PAPER_SCALE = Scale(0.1 / 1.275, 1 / 1.275)  # section II.B: the background at -0.1, the ink at 1.175


def architecture(variant: str = "modern") -> Architecture:
    """Return LeNet-5, ``modern`` or ``original``, for 32 × 32 pixels, with as many channels as the data has.

    Images of 28 × 28 pixels are centred, as the paper's digits are (section II.B).
    """
    kind, scale = (OriginalLeNet5, PAPER_SCALE) if variant == "original" else (LeNet5, SYMMETRIC)
    return PaperArchitecture(
        "lenet5",
        lambda classes, channels, _: kind(classes, channels),
        "output",
        32,
        fixed=True,
        scale=scale,
        pad_from=28,
    )
