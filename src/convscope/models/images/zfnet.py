"""ZFNet: Zeiler & Fergus 2013, "Visualizing and understanding convolutional networks", figure 3.

AlexNet without groups, whose first layer sees 7×7 at every second pixel instead of 11×11 at every fourth: its
filters had been found, by looking, to miss middle frequencies and to alias (section 4.1).
"""

from convscope.models.images.parts.five_convolutions import FiveConvolutions, Stage
from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.modified_architecture import with_stem
from convscope.models.images.zoo.paper_architecture import PaperArchitecture

# Maps of 110, 55, 26, 13 and 6 pixels a side come out with these paddings and windows that hang over the border.
STAGES = (
    Stage(96, 7, stride=2, padding=1, pool=True, normalise="after"),
    Stage(256, 5, stride=2, pool=True, normalise="after"),
    Stage(384, 3, padding=1),
    Stage(384, 3, padding=1),
    Stage(256, 3, padding=1, pool=True),
)


class ZFNet(FiveConvolutions):
    """Every layer a module, max pooling unpooled by its switches: what a deconvnet needs. 62,357,608 parameters.

    The contrast normalisation across maps is AlexNet's, after the pooling as in figure 3; section 3 sets biases to 0.
    """

    def __init__(self, classes: int = 1000, channels: int = 3) -> None:
        super().__init__(STAGES, classes, channels, ceil_mode=True)


def architecture(stem: str = "imagenet") -> Architecture:
    """The network of figure 3, for 224 pixels."""
    base = PaperArchitecture(
        "zfnet", lambda classes, channels, _: ZFNet(classes, channels), "classifier.dense8", 224, least_size=47,
        scale=None,
    )  # fmt: skip
    return with_stem(base, stem, least_size=11)
