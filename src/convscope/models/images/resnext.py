"""ResNeXt: Xie, Girshick, Dollár, Tu & He 2016, "Aggregated residual transformations for deep neural networks"."""

from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.modified_architecture import with_stem
from convscope.models.images.zoo.torchvision_models import TorchvisionArchitecture


def architecture(variant: str = "50_32x4d", stem: str = "imagenet") -> Architecture:
    """Return torchvision's network ``variant``: depth, cardinality and width of a path.

    It is ``50_32x4d`` (table 1), ``101_32x8d`` or ``101_64x4d``.
    """
    return with_stem(TorchvisionArchitecture("resnext", f"resnext{variant}"), stem)
