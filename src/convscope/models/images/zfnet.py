"""ZFNet: Zeiler & Fergus 2013, "Visualizing and understanding convolutional networks", figure 3.

AlexNet without groups, with a first layer of 7×7 kernels and stride 2 instead of 11×11 and stride 4: visualisation had
shown that AlexNet's filters miss middle frequencies and alias (section 4.1).
"""

from convscope.models.images.parts.five_convolutions import FiveConvolutions, Stage
from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.modified_architecture import with_stem
from convscope.models.images.zoo.paper_architecture import PaperArchitecture

# These paddings, and pooling windows that hang over the border, give feature maps of 110, 55, 26, 13 and 6 pixels a
# side.
STAGES = (
    Stage(96, 7, stride=2, padding=1, pool=True, normalise="after"),
    Stage(256, 5, stride=2, pool=True, normalise="after"),
    Stage(384, 3, padding=1),
    Stage(384, 3, padding=1),
    Stage(256, 3, padding=1, pool=True),
)


class ZFNet(FiveConvolutions):
    """The network of figure 3: 62,357,608 parameters.

    Every layer is a module, and max pooling can be unpooled by its switches, as a deconvnet needs. The contrast
    normalisation across maps is AlexNet's, after the pooling as in figure 3; section 3 sets biases to 0.
    """

    def __init__(self, classes: int = 1000, channels: int = 3) -> None:
        super().__init__(STAGES, classes, channels, ceil_mode=True)


def architecture(stem: str = "imagenet") -> Architecture:
    """Return the network of figure 3, for 224 × 224 pixels."""
    base = PaperArchitecture(
        "zfnet", lambda classes, channels, _: ZFNet(classes, channels), "classifier.dense8", 224, min_size=47,
        scale=None,
    )  # fmt: skip
    return with_stem(base, stem, min_size=11)
