"""Networks of dilated convolutions: Yu & Koltun 2016, "Multi-scale context aggregation by dilated convolutions".

A dilation of 2ⁱ in layer i makes the field grow exponentially with depth, at the parameters of a plain network whose
field grows linearly (section 2), and without losing resolution.
"""

from typing import Literal

import torch
from torch import nn

from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.paper_architecture import PaperArchitecture

Preset = Literal["context", "exponential", "plain"]

# Table 1: seven layers of 3×3 with fields of 3, 5, 9, 17, 33, 65 and 67, before a layer of 1×1.
CONTEXT = (1, 1, 2, 4, 8, 16, 1)


def dilations(preset: Preset, depth: int) -> tuple[int, ...]:
    """The dilation of each 3×3 convolution.

    Args:
        preset: ``context``: that of the paper, of its own depth; ``exponential``: 1, 2, 4, ...; ``plain``: all 1.
        depth: Number of convolutions, but for ``context``.
    """
    match preset:
        case "context":
            return CONTEXT
        case "exponential":
            return tuple(2**layer for layer in range(depth))
    return (1,) * depth


class DilatedCNN(nn.Module):
    """3×3 convolutions of one width at full resolution, a convolution of 1×1, mean over places, a dense layer.

    The convolutions are table 1's; the ends make a classifier of them, where the paper's context module made maps of
    maps. Batch normalisation follows each convolution, as in what has been built on the paper since.

    Args:
        dilation: That of each convolution.
        width: Channels of each convolution.
        classes: Number of logits.
        channels: Of the images.
    """

    def __init__(self, dilation: tuple[int, ...], width: int, classes: int, channels: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for layer, step in enumerate(dilation):
            before = width if layer else channels
            layers.append(_layer(before, width, 3, step))
        layers.append(_layer(width, width, 1, 1))
        self.context = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(width, classes)

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Images (N, channels, H, W) to logits (N, classes)."""
        return self.head(self.pool(self.context(x_NCHW)).flatten(1))


def _layer(channels: int, width: int, kernel: int, dilation: int) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    convolution = nn.Conv2d(channels, width, kernel, padding=padding, dilation=dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True))


def architecture(preset: Preset, depth: int, width: int) -> Architecture:
    """A dilated network for images of any size, made for 64 × 64 pixels."""
    steps = dilations(preset, depth)
    return PaperArchitecture(
        "dilated_cnn", lambda classes, channels, _: DilatedCNN(steps, width, classes, channels), "head", 64
    )
