"""Architectures whose networks are written in this package: they have no weights but those of a file."""

from collections.abc import Callable
from typing import NamedTuple

from torch import nn
from typing_extensions import override

from convscope.models.images.zoo.architecture import IMAGENET_MEAN, IMAGENET_STD, Architecture
from convscope.preprocessing import Preprocessing


class Scale(NamedTuple):
    """Normalisation of a channel between 0 and 1: ``mean`` is subtracted, then the result is divided by ``std``."""

    mean: float
    std: float


SYMMETRIC = Scale(0.5, 0.5)  # to values between -1 and 1


class PaperArchitecture(Architecture):
    """An architecture whose network is written in this package.

    Args:
        name: Name in the zoo.
        make: Returns the network with random weights for (classes, channels, size).
        head: Path of the module that turns features into logits.
        size: Side in pixels of the square input in its paper.
        fixed: Whether it takes no other size.
        min_size: Side in pixels of the smallest input that it can take.
        channels: Number of channels of the only input that it takes; None for that of the data.
        scale: How pixels are normalised; None for ImageNet's mean and std if there are three channels, else for
            ``SYMMETRIC``.
        pad_from: Side in pixels from which a smaller image gets a black margin instead of being enlarged.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[int, int, int], nn.Module],
        head: str,
        size: int,
        *,
        fixed: bool = False,
        min_size: int = 1,
        channels: int | None = None,
        scale: Scale | None = SYMMETRIC,
        pad_from: int | None = None,
    ) -> None:
        self.name = name
        self.make = make
        self.path_of_head = head
        self.size = size
        self.fixed_size = size if fixed else None
        self.min_size = size if fixed else min_size
        self.channels = channels
        self.scale = scale
        self.pad_from = pad_from

    def preprocessing(self, channels: int) -> Preprocessing:
        """Return the preprocessing of the paper: its input size and its normalisation."""
        channels = self.channels or channels
        mean: tuple[float, ...]
        std: tuple[float, ...]
        if self.scale is None and channels == len(IMAGENET_MEAN):
            mean, std = IMAGENET_MEAN, IMAGENET_STD
        else:
            scale = self.scale or SYMMETRIC
            mean, std = (scale.mean,) * channels, (scale.std,) * channels
        return Preprocessing(size=self.size, channels=channels, mean=mean, std=std, pad_from=self.pad_from)

    @override
    def build(self, classes: int, channels: int, size: int) -> nn.Module:
        return self.make(classes, channels, size)

    @override
    def head(self, network: nn.Module) -> str:
        return self.path_of_head
