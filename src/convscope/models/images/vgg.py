"""VGG: Simonyan & Zisserman 2014, "Very deep convolutional networks for large-scale image recognition", table 1."""

from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.torchvision_models import TorchvisionArchitecture


def architecture(depth: int = 16, batch_norm: bool = False) -> Architecture:
    """Return configuration A (depth 11), B (13), D (16) or E (19); batch normalisation is a later option."""
    return TorchvisionArchitecture("vgg", f"vgg{depth}{'_bn' if batch_norm else ''}", min_size=32)
