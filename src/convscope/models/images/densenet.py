"""DenseNet: Huang, Liu, van der Maaten & Weinberger 2016, "Densely connected convolutional networks", table 1."""

from collections.abc import Sequence

import torchvision
from torch import nn
from typing_extensions import override

from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.modified_architecture import with_stem
from convscope.models.images.zoo.torchvision_models import TorchvisionArchitecture

# By depth: growth rate, layers of the dense blocks, channels of the stem.
TABLE = {
    121: (32, (6, 12, 24, 16), 64),
    161: (48, (6, 12, 36, 24), 96),
    169: (32, (6, 12, 32, 32), 64),
    201: (32, (6, 12, 48, 32), 64),
}


class DenseNetArchitecture(TorchvisionArchitecture):
    """torchvision's DenseNet; the hub's weights fit it only with the growth rate and the blocks of its depth.

    Args:
        depth: 121, 161, 169 or 201.
        growth_rate: Channels that each layer adds; None for those of ``depth``.
        blocks: Layers of each dense block; None for those of ``depth``.
    """

    def __init__(self, depth: int, growth_rate: int | None, blocks: Sequence[int] | None) -> None:
        super().__init__("densenet", f"densenet{depth}")
        rate, layers, _ = TABLE[depth]
        self.growth_rate = growth_rate or rate
        self.blocks = tuple(blocks or layers)
        # Section 3: the stem has twice as many channels as a layer adds.
        self.stem_channels = 2 * self.growth_rate
        # Every transition halves the sides; the stem and the pooling after it have halved them before.
        self.min_size_small = 2 ** (len(self.blocks) - 1)
        self.min_size = 4 * self.min_size_small - 3
        if (self.growth_rate, self.blocks) != (rate, layers):
            self.hub = None

    @override
    def build(self, classes: int, channels: int, size: int) -> nn.Module:
        return torchvision.models.DenseNet(self.growth_rate, self.blocks, self.stem_channels, num_classes=classes)


def architecture(
    depth: int = 121, growth_rate: int | None = None, blocks: Sequence[int] | None = None, stem: str = "imagenet"
) -> Architecture:
    """Return DenseNet of depth 121, 161, 169 or 201; ``growth_rate`` and ``blocks`` replace those of that depth."""
    base = DenseNetArchitecture(depth, growth_rate, blocks)
    return with_stem(base, stem, min_size=base.min_size_small)
