"""The interface of every image network of the zoo, before and after it is built."""

from abc import ABC, abstractmethod

import torch
from torch import nn

from convscope.preprocessing import Preprocessing

StateDict = dict[str, torch.Tensor]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Architecture(ABC):
    """A network that is chosen but not built: its name, where its weights are, and what input it expects.

    Attributes:
        name: Name in the zoo.
        packaged: Name of the weights that an installed package holds; None if there are none.
        hub: Name of the weights that a hub holds; None if there are none.
        fixed_size: Side in pixels of the only square input that it takes; None if it takes any size.
        min_size: Side in pixels of the smallest square input that it can take, as far as is known.
        block_paths: Paths of the modules that are its blocks, in order; None to find them by their registration.
    """

    name: str
    packaged: str | None = None
    hub: str | None = None
    fixed_size: int | None = None
    min_size: int = 1
    block_paths: tuple[str, ...] | None = None

    @abstractmethod
    def preprocessing(self, channels: int) -> Preprocessing:
        """Return the preprocessing that its weights expect, or that suits random ones, for data with ``channels``."""

    @abstractmethod
    def build(self, classes: int, channels: int, size: int) -> nn.Module:
        """Build the network with random weights: it maps (N, channels, size, size) to logits (N, classes)."""

    @abstractmethod
    def head(self, network: nn.Module) -> str:
        """Return the path in ``network`` of the module that turns features into logits."""

    def packaged_state(self) -> StateDict:
        """Return the weights named by ``packaged``, with the classes that they were trained on.

        Raises:
            LookupError: There are none.
        """
        raise LookupError(f"{self.name} has no packaged weights")

    def hub_address(self) -> str:
        """Return the address of the host that ``hub_state`` downloads from.

        Raises:
            LookupError: No hub has weights.
        """
        raise LookupError(f"{self.name} has no weights on a hub")

    def hub_state(self, offline: bool) -> StateDict:
        """Return the weights named by ``hub``, with the classes that they were trained on.

        They come from the local cache or are downloaded.

        Args:
            offline: Whether to use the local cache only.

        Raises:
            LookupError: ``offline``, and they are not in the cache (a library may raise errors of its own, too).
        """
        raise LookupError(f"{self.name} has no weights on a hub")


def last_layer(network: nn.Module, classes: int) -> str:
    """Return the path of the last dense layer or convolution with ``classes`` outputs, in order of registration.

    Raises:
        LookupError: There is no such layer.
    """
    paths = [
        path
        for path, module in network.named_modules()
        if (isinstance(module, nn.Linear) and module.out_features == classes)
        or (isinstance(module, nn.Conv2d) and module.out_channels == classes)
    ]
    if not paths:
        raise LookupError(f"no layer of the network has {classes} outputs")
    return paths[-1]
