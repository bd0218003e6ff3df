"""GoogLeNet: Szegedy et al. 2014, "Going deeper with convolutions", table 1 and figure 3."""

from collections.abc import Callable
from typing import Any

import torch
import torchvision
from torch import nn
from torchvision.models.googlenet import BasicConv2d

from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.modified_architecture import Change, ModifiedArchitecture, with_stem
from convscope.models.images.zoo.torchvision_models import TorchvisionArchitecture

Criterion = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

AUXILIARY_WEIGHT = 0.3  # section 5
INCEPTIONS = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")


class NaiveInception(nn.Module):
    """Figure 2a: parallel 1×1, 3×3 and 5×5 convolutions and a 3×3 pooling, without reductions before them.

    The pooling keeps every channel of the input, so stacked modules get wider and wider: section 4 explains why that
    fails.

    Args:
        channels: Channels of the input.
        ones: Channels of the 1×1 convolution.
        threes: Channels of the 3×3 convolution.
        fives: Channels of the 5×5 convolution.
    """

    def __init__(self, channels: int, ones: int, threes: int, fives: int) -> None:
        super().__init__()
        self.branch1 = BasicConv2d(channels, ones, kernel_size=1)
        self.branch2 = BasicConv2d(channels, threes, kernel_size=3, padding=1)
        self.branch3 = BasicConv2d(channels, fives, kernel_size=5, padding=2)
        self.branch4 = nn.MaxPool2d(3, stride=1, padding=1)
        self.out_channels = ones + threes + fives + channels

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map (N, channels, H, W) to (N, out_channels, H, W)."""
        return torch.cat([self.branch1(x_NCHW), self.branch2(x_NCHW), self.branch3(x_NCHW), self.branch4(x_NCHW)], 1)


class GoogLeNet(torchvision.models.GoogLeNet):
    """torchvision's network, which returns one tensor of logits in training, too; its auxiliary heads only add loss."""

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map images (N, 3, H, W) to logits (N, classes)."""
        logits, _, _ = self._forward(self._transform_input(x_NCHW))
        return logits

    def training_loss(
        self, images: torch.Tensor, targets: torch.Tensor, criterion: Criterion
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss and the logits; the loss includes 0.3 times that of each auxiliary head (section 5)."""
        logits, *auxiliary = self._forward(self._transform_input(images))
        loss = criterion(logits, targets)
        for auxiliary_logits in auxiliary:
            if auxiliary_logits is not None:
                loss = loss + AUXILIARY_WEIGHT * criterion(auxiliary_logits, targets)
        return loss, logits


class _GoogLeNetArchitecture(TorchvisionArchitecture):
    def build(self, classes: int, channels: int, size: int) -> nn.Module:
        return GoogLeNet(classes, transform_input=True, init_weights=True, aux_logits=self.arguments["aux_logits"])


def with_naive_modules(network: Any) -> None:
    """Replace every reduced Inception module of ``network`` by a naive one whose convolutions are as wide."""
    channels = network.inception3a.branch1.conv.in_channels
    for name in INCEPTIONS:
        reduced = network.get_submodule(f"inception{name}")
        naive = NaiveInception(
            channels,
            reduced.branch1.conv.out_channels,
            reduced.branch2[1].conv.out_channels,
            reduced.branch3[1].conv.out_channels,
        )
        setattr(network, f"inception{name}", naive)
        channels = naive.out_channels
    for layer in [layer for layer in network.modules() if isinstance(layer, NaiveInception)]:
        for convolution in layer.modules():
            if isinstance(convolution, nn.Conv2d):
                nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    network.fc = nn.Linear(channels, network.fc.out_features)
    for name, before in (("aux1", network.inception4a), ("aux2", network.inception4d)):
        auxiliary = getattr(network, name)
        if auxiliary is not None:
            auxiliary.conv = BasicConv2d(before.out_channels, 128, kernel_size=1)


def architecture(module: str = "reduced", auxiliary: bool = False, stem: str = "imagenet") -> Architecture:
    """Return GoogLeNet with batch normalisation.

    Args:
        module: ``reduced`` or ``naive`` Inception modules.
        auxiliary: Whether it has auxiliary heads in training.
        stem: ``imagenet`` or ``small``.
    """
    base = _GoogLeNetArchitecture("googlenet", "googlenet", {"aux_logits": auxiliary}, min_size=15)
    changes: list[Change] = [with_naive_modules] if module == "naive" else []
    if auxiliary and not changes and stem != "small":
        return ModifiedArchitecture(base, [])  # the hub's weights have no auxiliary heads
    return with_stem(base, stem, changes, min_size=4)
