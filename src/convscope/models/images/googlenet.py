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
    """Figure 2a: 1×1, 3×3 and 5×5 convolutions and a 3×3 pooling side by side, without reductions before them.

    The pooling hands on every channel of the input, so that stacked modules grow: section 4 says why that fails.
    """

    def __init__(self, channels: int, ones: int, threes: int, fives: int) -> None:
        super().__init__()
        self.branch1 = BasicConv2d(channels, ones, kernel_size=1)
        self.branch2 = BasicConv2d(channels, threes, kernel_size=3, padding=1)
        self.branch3 = BasicConv2d(channels, fives, kernel_size=5, padding=2)
        self.branch4 = nn.MaxPool2d(3, stride=1, padding=1)
        self.out_channels = ones + threes + fives + channels

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """(N, channels, H, W) to (N, out_channels, H, W)."""
        return torch.cat([self.branch1(x_NCHW), self.branch2(x_NCHW), self.branch3(x_NCHW), self.branch4(x_NCHW)], 1)


class GoogLeNet(torchvision.models.GoogLeNet):
    """torchvision's network, one tensor of logits in training too; what its auxiliary heads say is in the loss."""

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Images (N, 3, H, W) to logits (N, classes)."""
        logits, _, _ = self._forward(self._transform_input(x_NCHW))
        return logits

    def training_loss(
        self, images: torch.Tensor, targets: torch.Tensor, criterion: Criterion
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of the logits and 0.3 times that of each auxiliary head (section 5), and the logits."""
        logits, *auxiliary = self._forward(self._transform_input(images))
        loss = criterion(logits, targets)
        for answer in auxiliary:
            if answer is not None:
                loss = loss + AUXILIARY_WEIGHT * criterion(answer, targets)
        return loss, logits


class _GoogLeNetArchitecture(TorchvisionArchitecture):
    def build(self, classes: int, channels: int, size: int) -> nn.Module:
        return GoogLeNet(classes, transform_input=True, init_weights=True, aux_logits=self.arguments["aux_logits"])


def with_naive_modules(network: Any) -> None:
    """Put a naive module, as wide in its convolutions, in the place of every reduced one."""
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
    """GoogLeNet with batch normalisation, of ``reduced`` or ``naive`` modules, with or without auxiliary heads."""
    base = _GoogLeNetArchitecture("googlenet", "googlenet", {"aux_logits": auxiliary}, least_size=15)
    changes: list[Change] = [with_naive_modules] if module == "naive" else []
    if auxiliary and not changes and stem != "small":
        return ModifiedArchitecture(base, [])  # the weights that are known have no auxiliary heads
    return with_stem(base, stem, changes, least_size=4)
