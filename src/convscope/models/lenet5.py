"""LeNet-5: LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition"."""

import torch
from torch import nn

from convscope.models.architecture import Architecture
from convscope.preprocessing import Preprocessing


class LeNet5(nn.Module):
    """The layers of section II.B and figure 2, with what replaced their parts since.

    Max pooling instead of trained averages, ReLU instead of a scaled tanh, every map of C3 connected to all of
    S2, a dense softmax layer instead of radial basis functions: 61,706 parameters for one channel and ten classes.
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
        """Pictures (N, channels, 32, 32) to logits (N, classes)."""
        x = self.s2(self.activation(self.c1(x_NCHW)))
        x = self.s4(self.activation(self.c3(x)))
        x = self.activation(self.c5(x)).flatten(1)
        return self.output(self.activation(self.f6(x)))


class LeNet5Architecture(Architecture):
    """LeNet-5 for 32 × 32 pixels, with as many channels as the data has."""

    name = "lenet5"
    fixed_size = 32

    def preprocessing(self, channels: int) -> Preprocessing:
        """32 × 32 pixels between -1 and 1; 28 × 28 lie in the middle, as the paper's digits do (section II.B)."""
        half = (0.5,) * channels
        return Preprocessing(size=32, channels=channels, mean=half, std=half, pad_from=28)

    def build(self, classes: int, channels: int, size: int) -> nn.Module:
        """LeNet-5 with ``classes`` outputs."""
        return LeNet5(classes, channels)

    def head(self, network: nn.Module) -> str:
        """The output layer."""
        return "output"
