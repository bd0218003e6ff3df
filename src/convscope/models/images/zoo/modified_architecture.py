"""Architectures of libraries with changes that papers made and libraries leave out, applied after building."""

import dataclasses
from collections.abc import Callable, Sequence

from torch import nn
from typing_extensions import override

from convscope.models.images.zoo.architecture import Architecture
from convscope.preprocessing import Preprocessing

Change = Callable[[nn.Module], None]

SMALL_IMAGE = 32  # side in pixels, as CIFAR's images have it


class ModifiedArchitecture(Architecture):
    """The architecture ``base`` after ``changes``.

    The weights of ``base`` do not fit the changed network: it has no packaged weights and none on a hub.

    Args:
        base: An architecture of a library.
        changes: Functions that change its network in place, in order.
        size: Side in pixels of the square input that suits the changed network; None for that of ``base``.
        min_size: Side in pixels of the smallest input that the changed network can take; None for that of ``base``.
    """

    def __init__(
        self, base: Architecture, changes: Sequence[Change], size: int | None = None, min_size: int | None = None
    ) -> None:
        self.base = base
        self.changes = tuple(changes)
        self.size = size
        self.name = base.name
        self.fixed_size = base.fixed_size
        self.min_size = base.min_size if min_size is None else min_size

    def preprocessing(self, channels: int) -> Preprocessing:
        """Return the preprocessing of ``base`` with the size that suits the changed network."""
        preprocessing = self.base.preprocessing(channels)
        return (
            preprocessing if self.size is None else dataclasses.replace(preprocessing, size=self.size, crop_ratio=1.0)
        )

    @override
    def build(self, classes: int, channels: int, size: int) -> nn.Module:
        network = self.base.build(classes, channels, size)
        for change in self.changes:
            change(network)
        return network

    @override
    def head(self, network: nn.Module) -> str:
        return self.base.head(network)


def with_stem(base: Architecture, stem: str, changes: Sequence[Change] = (), min_size: int = 1) -> Architecture:
    """Return ``base`` after ``changes`` and, if ``stem`` is ``small``, with a stem for small images.

    Args:
        base: An architecture of a library or of this package.
        stem: ``imagenet`` or ``small``.
        changes: Functions that change the network in place, in order.
        min_size: Side in pixels of the smallest input that the network with the small stem can take.
    """
    if stem == "small":
        return ModifiedArchitecture(base, [*changes, use_small_stem], SMALL_IMAGE, min_size)
    return ModifiedArchitecture(base, changes) if changes else base


def use_small_stem(network: nn.Module) -> None:
    """Keep the resolution of a small image in the first layers, as the papers' networks for CIFAR do.

    The first strided convolution becomes 3×3 with stride 1 (He et al. 2015, section 4.2), and the first max
    pooling after it is left out.

    Raises:
        LookupError: No convolution of ``network`` has a stride.
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
    """Move the stride of bottlenecks from the 3×3 into the first 1×1 convolution, as in He et al. 2015, table 1."""
    for block in network.modules():
        first, second = getattr(block, "conv1", None), getattr(block, "conv2", None)
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.Conv2d) and hasattr(block, "conv3"):
            first.stride, second.stride = second.stride, first.stride
