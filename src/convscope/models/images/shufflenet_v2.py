"""ShuffleNet v2: Ma, Zhang, Zheng & Sun 2018, "Practical guidelines for efficient CNN architecture design"."""

from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.modified_architecture import with_stem
from convscope.models.images.zoo.torchvision_models import TorchvisionArchitecture


def architecture(width: float = 1.0, stem: str = "imagenet") -> Architecture:
    """Return torchvision's network of width 0.5, 1, 1.5 or 2 (table 5)."""
    return with_stem(TorchvisionArchitecture("shufflenet_v2", f"shufflenet_v2_x{width:.1f}".replace(".", "_")), stem)
