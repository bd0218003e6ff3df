"""What every entry of the zoo tells of itself, before and after it is built."""

from abc import ABC, abstractmethod

import torch
from torch import nn

from convscope.preprocessing import Preprocessing

StateDict = dict[str, torch.Tensor]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Architecture(ABC):
    """A network that is chosen but not built: its name, where its weights are, what input it expects."""

    name: str
    packaged: str | None = None  # name of the weights that an installed package holds
    hub: str | None = None  # name of the weights that a hub holds
    fixed_size: int | None = None  # pixels of the only square input it takes; None: any size
    least_size: int = 1  # pixels of the smallest square input that it can take, as far as is known

    @abstractmethod
    def preprocessing(self, channels: int) -> Preprocessing:
        """What its weights expect of an image, or what suits random ones; the data has ``channels`` channels."""

    @abstractmethod
    def build(self, classes: int, channels: int, size: int) -> nn.Module:
        """The network with random weights: (N, channels, size, size) to logits (N, classes)."""

    @abstractmethod
    def head(self, network: nn.Module) -> str:
        """Path in ``network`` of the module that turns features into logits."""

    def packaged_state(self) -> StateDict:
        """The weights named by ``packaged``, with the classes they were trained on."""
        raise LookupError(f"{self.name} has no packaged weights")

    def hub_address(self) -> str:
        """Address of the host that ``hub_state`` asks."""
        raise LookupError(f"{self.name} has no weights on a hub")

    def hub_state(self, offline: bool) -> StateDict:
        """The weights named by ``hub``, with the classes they know: from the local cache, or downloaded.

        Raises:
            LookupError: ``offline``, and they are not in the cache (a library may raise what it likes, too).
        """
        raise LookupError(f"{self.name} has no weights on a hub")


def last_layer(network: nn.Module, classes: int) -> str:
    """Path of the last dense layer or convolution with ``classes`` outputs, in order of registration.

    Raises:
        LookupError: There is none.
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
