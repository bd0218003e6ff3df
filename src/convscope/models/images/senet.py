"""Squeeze-and-excitation networks: Hu, Shen, Albanie, Sun & Wu 2017, table 1 and section 6."""

from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.modified_architecture import with_stem
from convscope.models.images.zoo.timm_models import TimmArchitecture


def architecture(variant: str = "se_resnet50", stem: str = "imagenet") -> Architecture:
    """Return timm's SE-ResNet-50, 101 or 152, SE-ResNeXt-50 or 101, or SENet-154.

    timm calls them legacy: they are the networks of the paper, ported from its authors' Caffe code.
    """
    return with_stem(TimmArchitecture("senet", f"legacy_{variant.replace('_', '', 1)}", min_size=3), stem)
