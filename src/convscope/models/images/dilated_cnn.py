"""Networks of dilated convolutions: Yu & Koltun 2016, "Multi-scale context aggregation by dilated convolutions".

A dilation of 2ⁱ in layer i makes the receptive field grow exponentially with depth, without losing resolution. The
number of parameters is that of a plain network, whose receptive field grows linearly (section 2).
"""

from typing import Literal

import torch
from torch import nn

from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.paper_architecture import PaperArchitecture

Preset = Literal["context", "exponential", "plain"]

# Table 1: seven layers of 3×3 with receptive fields of 3, 5, 9, 17, 33, 65 and 67, before a layer of 1×1.
CONTEXT = (1, 1, 2, 4, 8, 16, 1)


def dilations(preset: Preset, depth: int) -> tuple[int, ...]:
    """Return the dilation of each 3×3 convolution.

    Args:
        preset: ``context`` is the paper's, with a fixed depth; ``exponential`` is 1, 2, 4, ...; ``plain`` is all 1.
        depth: Number of convolutions; ``context`` ignores it.
    """
    match preset:
        case "context":
            return CONTEXT
        case "exponential":
            return tuple(2**layer for layer in range(depth))
    return (1,) * depth


class DilatedCNN(nn.Module):
    """3×3 convolutions of one width at full resolution, a 1×1 convolution, global average pooling, a dense layer.

    The convolutions are those of table 1. The pooling and the dense layer make a classifier of them; the paper's
    context module maps feature maps to feature maps. Batch normalisation follows each convolution, as in later
    networks that build on the paper.

    Args:
        dilation: Dilation of each 3×3 convolution.
        width: Channels of each convolution.
        classes: Number of logits.
        channels: Channels of the images.
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
        """Map images (N, channels, H, W) to logits (N, classes)."""
        return self.head(self.pool(self.context(x_NCHW)).flatten(1))


def _layer(channels: int, width: int, kernel: int, dilation: int) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    convolution = nn.Conv2d(channels, width, kernel, padding=padding, dilation=dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True))


def architecture(preset: Preset, depth: int, width: int) -> Architecture:
    """Return a dilated network for images of any size; its default is 64 × 64 pixels."""
    steps = dilations(preset, depth)
    return PaperArchitecture(
        "dilated_cnn", lambda classes, channels, _: DilatedCNN(steps, width, classes, channels), "head", 64
    )
