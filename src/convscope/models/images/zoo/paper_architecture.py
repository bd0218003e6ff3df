"""An architecture whose network is written here: any weights of it are a file's."""

from collections.abc import Callable
from typing import NamedTuple

from torch import nn

from convscope.models.images.zoo.architecture import IMAGENET_MEAN, IMAGENET_STD, Architecture
from convscope.preprocessing import Preprocessing


class Scale(NamedTuple):
    """What is subtracted from a channel between 0 and 1, and what the rest is divided by."""

    mean: float
    std: float


SYMMETRIC = Scale(0.5, 0.5)  # between -1 and 1


class PaperArchitecture(Architecture):
    """A network of this package.

    Args:
        name: Its name in the zoo.
        make: (classes, channels, size) to the network with random weights.
        head: Path of the module that turns features into logits.
        size: Pixels of the square input that its paper gives it.
        fixed: Whether it takes no other size.
        least_size: Pixels of the smallest input that it can take.
        channels: Channels of the only input it takes; None: those of the data.
        scale: How pixels are normalised; None: as is usual for ImageNet where there are three channels.
        pad_from: Pixels from which a smaller image gets a black margin instead of being enlarged.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[int, int, int], nn.Module],
        head: str,
        size: int,
        *,
        fixed: bool = False,
        least_size: int = 1,
        channels: int | None = None,
        scale: Scale | None = SYMMETRIC,
        pad_from: int | None = None,
    ) -> None:
        self.name = name
        self.make = make
        self.path_of_head = head
        self.size = size
        self.fixed_size = size if fixed else None
        self.least_size = size if fixed else least_size
        self.channels = channels
        self.scale = scale
        self.pad_from = pad_from

    def preprocessing(self, channels: int) -> Preprocessing:
        """The paper's input size."""
        channels = self.channels or channels
        mean: tuple[float, ...]
        std: tuple[float, ...]
        if self.scale is None and channels == len(IMAGENET_MEAN):
            mean, std = IMAGENET_MEAN, IMAGENET_STD
        else:
            scale = self.scale or SYMMETRIC
            mean, std = (scale.mean,) * channels, (scale.std,) * channels
        return Preprocessing(size=self.size, channels=channels, mean=mean, std=std, pad_from=self.pad_from)

    def build(self, classes: int, channels: int, size: int) -> nn.Module:
        """The network with ``classes`` outputs for images of ``size`` pixels."""
        return self.make(classes, channels, size)

    def head(self, network: nn.Module) -> str:
        """The same path in every variant."""
        return self.path_of_head
