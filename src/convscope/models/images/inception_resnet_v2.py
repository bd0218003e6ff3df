"""Inception-ResNet-v2: Szegedy, Ioffe, Vanhoucke & Alemi 2016, figures 15 to 19."""

from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.timm_models import TimmArchitecture


def architecture() -> Architecture:
    """Return timm's network, for 299 × 299 pixels."""
    return TimmArchitecture("inception_resnet_v2", "inception_resnet_v2", min_size=75)
