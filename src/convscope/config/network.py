"""What all options of ``model`` have in common, and their registry."""

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import override

from convscope.config.base import Config
from convscope.config.registry import Registry
from convscope.config.target import NameOfTarget, TargetConfig

PRETRAINED_SOURCES = ("auto", "packaged", "hub", "random")
WeightsSource = Annotated[str, Field(min_length=1)]  # one of PRETRAINED_SOURCES, or a file, or a run's folder


class NetworkConfig(Config):
    """Settings of a network, with the source of its weights."""

    name: str
    weights: WeightsSource

    @property
    def options(self) -> dict[str, Any]:
        """The settings that its builder takes: all but the name and the source of the weights."""
        return self.model_dump(exclude={"name", "weights"})


class ImageNetworkConfig(NetworkConfig):
    """Settings of a network for images. What ``builds`` it takes the other keys and returns an ``Architecture``."""


class TextNetworkConfig(NetworkConfig):
    """Settings of a network for texts. What ``builds`` it takes the other keys and returns a ``TextArchitecture``."""


class OwnNetworkConfig(NetworkConfig, TargetConfig):
    """A network of the user's own: a class or function that returns an ``nn.Module``.

    Attributes:
        name: Name of the network in a run's folder and in tables; by default, that of the class or function.
        weights: ``random``, or a file or a run's folder.
        head: Path of the module that turns features into logits; None: it is searched for.
        blocks: Paths of the modules that are the blocks, first to last; None: they are searched for.
    """

    name: NameOfTarget
    weights: WeightsSource = "random"
    head: Annotated[str, Field(min_length=1)] | None = None
    blocks: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)] | None = None

    @property
    @override
    def options(self) -> dict[str, Any]:
        return self.arguments


MODELS = Registry("model", target=OwnNetworkConfig)
