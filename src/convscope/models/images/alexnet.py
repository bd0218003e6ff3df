"""AlexNet: Krizhevsky, Sutskever & Hinton 2012, "ImageNet classification with deep convolutional neural networks"."""

from convscope.models.images.parts.five_convolutions import FiveConvolutions, Stage
from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.modified_architecture import with_stem
from convscope.models.images.zoo.paper_architecture import PaperArchitecture
from convscope.models.images.zoo.torchvision_models import TorchvisionArchitecture

# Section 3.5 and figure 2: the second, fourth and fifth layer are connected to the maps on their own GPU only. Biases
# are 1 where section 5 has them. The paper states 224 pixels; its map sizes need 227 pixels or this padding.
STAGES = (
    Stage(96, 11, stride=4, padding=2, pool=True, normalise="before"),
    Stage(256, 5, padding=2, groups=2, pool=True, normalise="before", bias=1.0),
    Stage(384, 3, padding=1),
    Stage(384, 3, padding=1, groups=2, bias=1.0),
    Stage(256, 3, padding=1, groups=2, pool=True, bias=1.0),
)


class OriginalAlexNet(FiveConvolutions):
    """Two groups, local response normalisation, overlapping pooling: 60,965,224 parameters for 1000 classes."""

    def __init__(self, classes: int = 1000, channels: int = 3) -> None:
        super().__init__(STAGES, classes, channels, dense_bias=1.0)


def architecture(variant: str = "modern", stem: str = "imagenet") -> Architecture:
    """Return AlexNet.

    Args:
        variant: ``original``, or ``modern``: torchvision's, with one group and no normalisation (Krizhevsky 2014).
        stem: ``imagenet`` or ``small``.
    """
    if variant == "original":
        base: Architecture = PaperArchitecture(
            "alexnet", lambda classes, channels, _: OriginalAlexNet(classes, channels), "classifier.dense8", 224,
            min_size=63, scale=None,
        )  # fmt: skip
    else:
        base = TorchvisionArchitecture("alexnet", "alexnet", min_size=63)
    return with_stem(base, stem, min_size=7)
