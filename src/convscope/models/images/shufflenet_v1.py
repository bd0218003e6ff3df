"""ShuffleNet: Zhang, Zhou, Lin & Sun 2017, "ShuffleNet: an extremely efficient convolutional neural network for
mobile devices", table 1 and figure 2."""

import math

import torch
from torch import nn
from typing_extensions import override

from convscope.models.images.parts.convolution import ConvNormAct, DepthwiseConvNorm
from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.modified_architecture import with_stem
from convscope.models.images.zoo.paper_architecture import PaperArchitecture

# Table 1: output channels of stage 2 by groups; they double in stage 3 and again in stage 4.
STAGE2_CHANNELS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
UNITS = (4, 8, 4)  # per stage; the first of each has stride 2
STEM_CHANNELS = 24


class ChannelShuffle(nn.Module):
    """Figure 1c: the channels, as (groups, n), are transposed to (n, groups), so that the groups are mixed."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map (N, C, H, W) to the same shape."""
        return x_NCHW.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)

    @override
    def extra_repr(self) -> str:
        return f"groups={self.groups}"


class ShuffleUnit(nn.Module):
    """Figure 2b, and with ``stride=2`` figure 2c: a bottleneck of a quarter of the output's channels.

    Args:
        channels: Channels of the input.
        out_channels: Channels of the output; with stride 2 the pooled input is a part of it.
        groups: Groups of the second pointwise convolution and of the shuffle.
        first_groups: Groups of the first pointwise convolution; 1 in the first unit, whose input has few channels.
        stride: 1 or 2.
    """

    def __init__(self, channels: int, out_channels: int, groups: int, first_groups: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        middle = out_channels // 4
        computed = out_channels - channels if stride == 2 else out_channels
        self.reduce = ConvNormAct(channels, middle, 1, groups=first_groups)
        self.shuffle = ChannelShuffle(groups)
        self.depthwise = DepthwiseConvNorm(middle, stride)
        self.expand = ConvNormAct(middle, computed, 1, groups=groups, act=False)
        self.shortcut = nn.AvgPool2d(3, stride=2, padding=1) if stride == 2 else nn.Identity()
        self.act = nn.ReLU()

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map (N, channels, H, W) to (N, out_channels, H/stride, W/stride)."""
        x = self.expand(self.depthwise(self.shuffle(self.reduce(x_NCHW))))
        short = self.shortcut(x_NCHW)
        return self.act(torch.cat([short, x], dim=1) if self.stride == 2 else short + x)


class ShuffleNet(nn.Module):
    """Table 1, with ``groups`` of 1, 2, 3, 4 or 8 and every layer ``width`` times as wide."""

    def __init__(self, classes: int = 1000, channels: int = 3, groups: int = 3, width: float = 1.0) -> None:
        super().__init__()
        # The channels of every convolution must be divisible by the groups: some widths get a few more or fewer.
        stem = max(1, math.ceil(STEM_CHANNELS * width / groups)) * groups
        self.conv1 = ConvNormAct(channels, stem, 3, stride=2)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        wide = [round(STAGE2_CHANNELS[groups] * width / (4 * groups)) * 4 * groups * factor for factor in (1, 2, 4)]
        self.stage2 = _stage(stem, wide[0], UNITS[0], groups, first_groups=1)
        self.stage3 = _stage(wide[0], wide[1], UNITS[1], groups, first_groups=groups)
        self.stage4 = _stage(wide[1], wide[2], UNITS[2], groups, first_groups=groups)
        self.end = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(wide[2], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map images (N, channels, H, W) to logits (N, classes)."""
        x = self.stage2(self.pool(self.conv1(x_NCHW)))
        return self.classifier(self.end(self.stage4(self.stage3(x))))


def _stage(channels: int, out_channels: int, units: int, groups: int, first_groups: int) -> nn.Sequential:
    first = ShuffleUnit(channels, out_channels, groups, first_groups, stride=2)
    return nn.Sequential(
        first, *(ShuffleUnit(out_channels, out_channels, groups, groups, stride=1) for _ in range(units - 1))
    )


def architecture(groups: int = 3, width: float = 1.0, stem: str = "imagenet") -> Architecture:
    """Return ShuffleNet ``width``× with ``groups`` groups, for 224 × 224 pixels."""
    base = PaperArchitecture(
        "shufflenet_v1",
        lambda classes, channels, _: ShuffleNet(classes, channels, groups, width),
        "classifier",
        224,
        scale=None,
    )
    return with_stem(base, stem)
