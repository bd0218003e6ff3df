"""Wide residual networks: Zagoruyko & Komodakis 2016, table 1 (CIFAR) and section 3.3 (ImageNet)."""

from collections import OrderedDict

import torch
from torch import nn

from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.modified_architecture import with_stem
from convscope.models.images.zoo.paper_architecture import PaperArchitecture
from convscope.models.images.zoo.torchvision_models import TorchvisionArchitecture


class WideBlock(nn.Module):
    """B(3,3): two 3×3 convolutions, each after batch normalisation and ReLU, with dropout between them."""

    def __init__(self, channels: int, out_channels: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.relu2 = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        same = channels == out_channels and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels, out_channels, 1, stride, bias=False)

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map (N, channels, H, W) to (N, out_channels, H/stride, W/stride)."""
        active = self.relu1(self.norm1(x_NCHW))
        # If the shape changes, the shortcut starts from the activation, too, as in the authors' code.
        short = x_NCHW if isinstance(self.shortcut, nn.Identity) else self.shortcut(active)
        x = self.relu2(self.norm2(self.conv1(active)))
        return self.conv2(self.dropout(x)) + short


class WideResNet(nn.Module):
    """WRN-depth-width of table 1: three groups of (depth - 4)/6 blocks, with 16, 32, 64 times ``width`` channels.

    WRN-28-10 has 36.5 M parameters (table 4): 36,479,194 for three channels and ten classes.
    """

    def __init__(
        self, classes: int = 10, channels: int = 3, depth: int = 28, width: int = 10, dropout: float = 0.0
    ) -> None:
        super().__init__()
        blocks = (depth - 4) // 6
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.group1 = _group(16, 16 * width, blocks, 1, dropout)
        self.group2 = _group(16 * width, 32 * width, blocks, 2, dropout)
        self.group3 = _group(32 * width, 64 * width, blocks, 2, dropout)
        self.end = nn.Sequential(
            OrderedDict(
                norm=nn.BatchNorm2d(64 * width), relu=nn.ReLU(), pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten()
            )
        )
        self.classifier = nn.Linear(64 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:  # noqa: N803
        """Map images (N, channels, 32, 32), or of another size, to logits (N, classes)."""
        x = self.group3(self.group2(self.group1(self.conv1(x_NCHW))))
        return self.classifier(self.end(x))


def _group(channels: int, out_channels: int, blocks: int, stride: int, dropout: float) -> nn.Sequential:
    first = WideBlock(channels, out_channels, stride, dropout)
    return nn.Sequential(first, *(WideBlock(out_channels, out_channels, 1, dropout) for _ in range(blocks - 1)))


def architecture(
    form: str = "imagenet", depth: int = 50, width: int = 2, dropout: float = 0.0, stem: str = "imagenet"
) -> Architecture:
    """Return torchvision's bottleneck network of depth 50 or 101 (``form=imagenet``) or table 1's (``form=cifar``)."""
    if form == "imagenet":
        return with_stem(TorchvisionArchitecture("wide_resnet", f"wide_resnet{depth}_{width}"), stem)
    return PaperArchitecture(
        "wide_resnet",
        lambda classes, channels, _: WideResNet(classes, channels, depth, width, dropout),
        "classifier",
        32,
        scale=None,
    )
