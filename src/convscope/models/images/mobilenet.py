"""MobileNet: Howard et al. 2017, "MobileNets: efficient convolutional neural networks for mobile vision", table 1."""

from torch import nn
from typing_extensions import override

from convscope.lean_timm import timm
from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.modified_architecture import with_stem
from convscope.models.images.zoo.timm_models import TimmArchitecture


class MobileNetArchitecture(TimmArchitecture):
    """timm's MobileNet, with every layer ``width`` times as wide (section 3.3), in multiples of eight channels."""

    def __init__(self, width: float) -> None:
        super().__init__("mobilenet", "mobilenetv1_100", known=width == 1.0)
        self.width = width

    @override
    def build(self, classes: int, channels: int, size: int) -> nn.Module:
        # timm has names for two widths only; the function that builds both takes any width.
        build = timm.models.efficientnet._gen_mobilenet_v1
        return build(self.identifier, self.width, num_classes=classes, in_chans=channels)


def architecture(width: float = 1.0, stem: str = "imagenet") -> Architecture:
    """Return MobileNet with width multiplier 1 (4.2 M parameters), 0.75, 0.5, 0.25 (table 6), or any other."""
    return with_stem(MobileNetArchitecture(width), stem)
