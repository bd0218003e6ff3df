"""A library's architecture, changed after it is built: the changes that papers made and libraries leave out."""

import dataclasses
from collections.abc import Callable, Sequence

from torch import nn

from convscope.models.images.zoo.architecture import Architecture
from convscope.preprocessing import Preprocessing

Change = Callable[[nn.Module], None]

SMALL_IMAGE = 32  # pixels: CIFAR's


class ModifiedArchitecture(Architecture):
    """``base`` after ``changes``. Its weights are for what it was: only a file's are known.

    Args:
        base: An architecture of a library.
        changes: Functions that change its network in place, in order.
        size: Pixels of the square input that suits the changed network; None: the base's.
        least_size: Pixels of the smallest input that the changed network can take; None: the base's.
    """

    def __init__(
        self, base: Architecture, changes: Sequence[Change], size: int | None = None, least_size: int | None = None
    ) -> None:
        self.base = base
        self.changes = tuple(changes)
        self.size = size
        self.name = base.name
        self.fixed_size = base.fixed_size
        self.least_size = base.least_size if least_size is None else least_size

    def preprocessing(self, channels: int) -> Preprocessing:
        """The base's, with the size that suits the change."""
        told = self.base.preprocessing(channels)
        return told if self.size is None else dataclasses.replace(told, size=self.size, crop_ratio=1.0)

    def build(self, classes: int, channels: int, size: int) -> nn.Module:
        """The base's network, changed."""
        network = self.base.build(classes, channels, size)
        for change in self.changes:
            change(network)
        return network

    def head(self, network: nn.Module) -> str:
        """The base's."""
        return self.base.head(network)


def with_stem(base: Architecture, stem: str, changes: Sequence[Change] = (), least_size: int = 1) -> Architecture:
    """``base`` after ``changes``, and, where ``stem`` is ``small``, with a beginning for small images."""
    if stem == "small":
        return ModifiedArchitecture(base, [*changes, use_small_stem], SMALL_IMAGE, least_size)
    return ModifiedArchitecture(base, changes) if changes else base


def use_small_stem(network: nn.Module) -> None:
    """Keep the resolution of a small image at the beginning, as the papers' networks for CIFAR do.

    The first strided convolution becomes 3×3 with stride 1 (He et al. 2015, section 4.2), and the first max
    pooling after it is left out.

    Raises:
        LookupError: No convolution has a stride.
    """
    layers = [(path, module) for path, module in network.named_modules() if not any(module.children())]
    strided = [i for i, (_, m) in enumerate(layers) if isinstance(m, nn.Conv2d) and m.stride != (1, 1)]
    if not strided:
        raise LookupError("no convolution of the network has a stride")
    path, convolution = layers[strided[0]]
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(convolution.padding, tuple)
    new = nn.Conv2d(
        convolution.in_channels, convolution.out_channels, 3, padding=1, bias=convolution.bias is not None,
        groups=convolution.groups,
    )  # fmt: skip
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    if new.bias is not None:
        nn.init.zeros_(new.bias)
    network.set_submodule(path, new)
    for path, module in layers[strided[0] :]:
        if isinstance(module, nn.MaxPool2d):
            network.set_submodule(path, nn.Identity())
            return


def stride_in_first_convolution(network: nn.Module) -> None:
    """Move the stride of bottlenecks from their 3×3 into their first 1×1: He et al. 2015, table 1, as published."""
    for block in network.modules():
        first, second = getattr(block, "conv1", None), getattr(block, "conv2", None)
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.Conv2d) and hasattr(block, "conv3"):
            first.stride, second.stride = second.stride, first.stride
