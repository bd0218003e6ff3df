"""Five convolutions, three poolings, three dense layers: the structure of AlexNet and of ZFNet."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn


class Stage(NamedTuple):
    """A convolution with ReLU, and what follows it: pooling, and normalisation before or after it, or neither."""

    channels: int
    kernel_size: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    pool: bool = False
    normalise: str = "no"  # no | before | after
    bias: float = 0.0


class FiveConvolutions(nn.Module):
    """Stages ``conv1`` to ``conv5`` and a classifier of 4096, 4096 and ``classes`` units, with dropout.

    Args:
        stages: The five convolutions.
        classes: Number of outputs.
        channels: Channels of the image.
        ceil_mode: Whether a pooling window may hang over the border.
        dense_bias: Initial value of the biases of the two hidden dense layers.
    """

    def __init__(
        self, stages: Sequence[Stage], classes: int, channels: int, ceil_mode: bool = False, dense_bias: float = 0.0
    ) -> None:
        super().__init__()
        before = [channels, *(stage.channels for stage in stages[:-1])]
        built = (_build(stage, wide, ceil_mode) for stage, wide in zip(stages, before, strict=True))
        self.conv1, self.conv2, self.conv3, self.conv4, self.conv5 = built
        # At 224 pixels the feature maps are 6×6 as in the papers, and this layer changes nothing.
        self.resize = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            OrderedDict(
                flat=nn.Flatten(),
                dense6=_dense(stages[-1].channels * 6 * 6, 4096, dense_bias),
                relu6=nn.ReLU(),
                dropout6=nn.Dropout(0.5),
                dense7=_dense(4096, 4096, dense_bias),
                relu7=nn.ReLU(),
                dropout7=nn.Dropout(0.5),
                dense8=_dense(4096, classes, 0.0),
            )
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.normal_(module.weight, std=0.01)

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map images (N, channels, 224, 224), or of another size, to logits (N, classes)."""
        x = self.conv2(self.conv1(x_NCHW))
        x = self.conv5(self.conv4(self.conv3(x)))
        return self.classifier(self.resize(x))


def _dense(features: int, out_features: int, bias: float) -> nn.Linear:
    layer = nn.Linear(features, out_features)
    nn.init.constant_(layer.bias, bias)
    return layer


def _build(stage: Stage, channels: int, ceil_mode: bool) -> nn.Sequential:
    convolution = nn.Conv2d(
        channels, stage.channels, stage.kernel_size, stage.stride, stage.padding, groups=stage.groups
    )
    assert convolution.bias is not None
    nn.init.constant_(convolution.bias, stage.bias)
    layers: list[tuple[str, nn.Module]] = [("convolution", convolution), ("relu", nn.ReLU())]
    # Krizhevsky et al. 2012, section 3.3: k 2, n 5, alpha 1e-4, beta 0.75; PyTorch divides alpha by n.
    normalisation = ("normalisation", nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0))
    if stage.normalise == "before":
        layers.append(normalisation)
    if stage.pool:
        layers.append(("pool", nn.MaxPool2d(3, stride=2, ceil_mode=ceil_mode)))
    if stage.normalise == "after":
        layers.append(normalisation)
    return nn.Sequential(OrderedDict(layers))
