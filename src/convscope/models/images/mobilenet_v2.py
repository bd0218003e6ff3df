"""MobileNetV2: Sandler et al. 2018, "MobileNetV2: inverted residuals and linear bottlenecks", table 2."""

from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.modified_architecture import with_stem
from convscope.models.images.zoo.torchvision_models import TorchvisionArchitecture


def architecture(width: float = 1.0, stem: str = "imagenet") -> Architecture:
    """Return torchvision's network; width multiplier 1 (3,504,872 parameters) or any other (section 6.1)."""
    arguments = {} if width == 1.0 else {"width_mult": width}
    return with_stem(TorchvisionArchitecture("mobilenet_v2", "mobilenet_v2", arguments, known=not arguments), stem)
