"""VGG: Simonyan & Zisserman 2014, "Very deep convolutional networks for large-scale image recognition", table 1."""

from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.torchvision_models import TorchvisionArchitecture


def architecture(depth: int = 16, batch_norm: bool = False) -> Architecture:
    """Configurations A (11), B (13), D (16) and E (19), with batch normalisation as an option of later years."""
    return TorchvisionArchitecture("vgg", f"vgg{depth}{'_bn' if batch_norm else ''}", least_size=32)
