"""Inception-ResNet-v1: Szegedy, Ioffe, Vanhoucke & Alemi 2016, "Inception-v4, Inception-ResNet and the impact of
residual connections on learning", figures 7 and 10 to 15."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import nn

from convscope.models.images.parts.convolution import ConvNormAct
from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.paper_architecture import SYMMETRIC, PaperArchitecture

EPSILON = 1e-3  # of the batch normalisation in the authors' TensorFlow code


def _conv(
    channels: int, out_channels: int, kernel: int | tuple[int, int], stride: int = 1, valid: bool = False
) -> ConvNormAct:
    """Return a convolutional layer of the figures; those marked V there are ``valid``: they have no padding."""
    return ConvNormAct(channels, out_channels, kernel, stride, 0 if valid else None, eps=EPSILON)


class Branches(nn.Module):
    """Parallel branches whose channels are concatenated in order."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map (N, C, H, W) to (N, sum of the branches' channels, H', W'); every branch gets the same input."""
        return torch.cat([branch(x_NCHW) for branch in self.branches], dim=1)


class ResidualInception(nn.Module):
    """Figures 10, 11 and 13: branches, a linear 1×1 convolution back to the input's channels, and a residual sum.

    Args:
        channels: Channels of the input and of the output.
        branches: Parallel branches.
        joined: Sum of the branches' channels.
        scale: Factor of the residual; without it, wide networks of this kind "die" (section 3.3).
    """

    def __init__(self, channels: int, branches: Sequence[nn.Module], joined: int, scale: float) -> None:
        super().__init__()
        self.branches = Branches(*branches)
        self.linear = nn.Conv2d(joined, channels, kernel_size=1)
        self.scale = scale
        self.act = nn.ReLU()

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map (N, channels, H, W) to the same shape."""
        return self.act(x_NCHW + self.scale * self.linear(self.branches(x_NCHW)))


def inception_a() -> ResidualInception:
    """Return the module of figure 10, for the 35×35 grid."""
    branches = [
        _conv(256, 32, 1),
        nn.Sequential(_conv(256, 32, 1), _conv(32, 32, 3)),
        nn.Sequential(_conv(256, 32, 1), _conv(32, 32, 3), _conv(32, 32, 3)),
    ]
    return ResidualInception(256, branches, 96, scale=0.17)


def reduction_a() -> Branches:
    """Return the reduction of figure 7 with k 192, l 192, m 256, n 384 (table 1): 35×35 to 17×17."""
    return Branches(
        _conv(256, 384, 3, stride=2, valid=True),
        nn.Sequential(_conv(256, 192, 1), _conv(192, 192, 3), _conv(192, 256, 3, stride=2, valid=True)),
        nn.MaxPool2d(3, stride=2),
    )


def inception_b() -> ResidualInception:
    """Return the module of figure 11, for the 17×17 grid."""
    branches = [
        _conv(896, 128, 1),
        nn.Sequential(_conv(896, 128, 1), _conv(128, 128, (1, 7)), _conv(128, 128, (7, 1))),
    ]
    return ResidualInception(896, branches, 256, scale=0.10)


def reduction_b() -> Branches:
    """Return the reduction of figure 12: 17×17 to 8×8."""
    return Branches(
        nn.Sequential(_conv(896, 256, 1), _conv(256, 384, 3, stride=2, valid=True)),
        nn.Sequential(_conv(896, 256, 1), _conv(256, 256, 3, stride=2, valid=True)),
        nn.Sequential(_conv(896, 256, 1), _conv(256, 256, 3), _conv(256, 256, 3, stride=2, valid=True)),
        nn.MaxPool2d(3, stride=2),
    )


def inception_c() -> ResidualInception:
    """Return the module of figure 13, for the 8×8 grid."""
    branches = [
        _conv(1792, 192, 1),
        nn.Sequential(_conv(1792, 192, 1), _conv(192, 192, (1, 3)), _conv(192, 192, (3, 1))),
    ]
    return ResidualInception(1792, branches, 384, scale=0.20)


class InceptionResNetV1(nn.Module):
    """Figure 15: stem (figure 14), 5 A, reduction, 10 B, reduction, 5 C, average, dropout that keeps 0.8, softmax."""

    def __init__(self, classes: int = 1000, channels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            OrderedDict(
                conv1=_conv(channels, 32, 3, stride=2, valid=True),
                conv2=_conv(32, 32, 3, valid=True),
                conv3=_conv(32, 64, 3),
                pool=nn.MaxPool2d(3, stride=2),
                conv4=_conv(64, 80, 1),
                conv5=_conv(80, 192, 3, valid=True),
                conv6=_conv(192, 256, 3, stride=2, valid=True),
            )
        )
        self.inception_a = nn.Sequential(*(inception_a() for _ in range(5)))
        self.reduction_a = reduction_a()
        self.inception_b = nn.Sequential(*(inception_b() for _ in range(10)))
        self.reduction_b = reduction_b()
        self.inception_c = nn.Sequential(*(inception_c() for _ in range(5)))
        self.end = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2))
        self.classifier = nn.Linear(1792, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map images (N, channels, 299, 299), or of another size, to logits (N, classes)."""
        x = self.reduction_a(self.inception_a(self.stem(x_NCHW)))
        x = self.inception_c(self.reduction_b(self.inception_b(x)))
        return self.classifier(self.end(x))


def architecture() -> Architecture:
    """Return the network of figure 15, for 299 × 299 pixels between -1 and 1."""
    return PaperArchitecture(
        "inception_resnet_v1",
        lambda classes, channels, _: InceptionResNetV1(classes, channels),
        "classifier",
        299,
        min_size=75,
        scale=SYMMETRIC,
    )
