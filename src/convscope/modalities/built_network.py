"""A network that is built for the classes of a data set."""

from dataclasses import dataclass

from convscope.models.images.zoo.network import Network
from convscope.models.texts.network import TextNetwork


@dataclass(frozen=True)
class BuiltNetwork:
    """A network that is built for the classes of a data set.

    Attributes:
        network: The network, with its weights.
        multiply_adds: Its multiply-adds for one example.
    """

    network: Network | TextNetwork
    multiply_adds: int
