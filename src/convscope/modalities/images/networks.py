"""From ``model=...`` to the network for images that it names."""

from dataclasses import dataclass
from typing import Any

from convscope.config.network import MODELS, NetworkConfig, OwnNetworkConfig, TextNetworkConfig
from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.images.image_source import ImageSource
from convscope.data.images.own_data_module import OwnDataModule, OwnModuleSource
from convscope.errors import UserError
from convscope.insight.parameters import ParameterTable
from convscope.modalities.built_network import BuiltNetwork
from convscope.modalities.describable_network import DescribableNetwork
from convscope.modalities.images.own_network import OwnArchitecture
from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.network import Network
from convscope.preprocessing import Preprocessing

# Classes and channels of the networks whose paper did not train them on ImageNet's thousand classes in colour.
PAPER_CLASSES = {"lecture_cnn": 4, "lenet5": 10, "lecun1989": 10, "neocognitron": 10}
PAPER_CHANNELS = {"lenet5": 1, "lecun1989": 1, "neocognitron": 1}

# Input sizes in pixels that are tried to find the smallest that works.
# fmt: off
TRIED_SIZES = (
    1, 2, 4, 8, 12, 16, 24, 28, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 240, 256, 288, 299, 320, 331, 384,
    448, 512,
)
# fmt: on


def build_architecture(config: NetworkConfig) -> Architecture:
    """Return the architecture that ``model=...`` names.

    Raises:
        UserError: No library has a model of that name, or it is a network for texts.
    """
    if isinstance(config, TextNetworkConfig):
        raise UserError(f"model={config.name}: reads texts, and a network for images is needed here")
    if isinstance(config, OwnNetworkConfig):
        return OwnArchitecture(config)
    architecture: Architecture = MODELS.builder(config.name)(**config.options)
    return architecture


@dataclass(frozen=True)
class BuiltImageNetwork(BuiltNetwork):
    """A network for images, built for their classes and channels.

    Attributes:
        table: The layers of the network, before any stage has frozen a parameter.
    """

    network: Network
    table: ParameterTable


def describable_network(config: NetworkConfig, classes: int | None, channels: int | None) -> DescribableNetwork:
    """Return the network that ``model=...`` names, to be described; None for the classes and channels of its paper.

    Raises:
        UserError: No library has a model of that name.
    """
    architecture = build_architecture(config)
    class_count = classes or PAPER_CLASSES.get(config.name, 1000)
    preprocessing = architecture.preprocessing(channels or PAPER_CHANNELS.get(config.name, 3))
    return DescribableNetwork(
        architecture.name,
        preprocessing.size,
        lambda size: architecture.build(class_count, preprocessing.channels, size),
        lambda size: (preprocessing.channels, size, size),
        architecture.head,
        TRIED_SIZES,
        architecture.block_paths,
    )


def image_data_module(source: ImageSource, preprocessing: Preprocessing, **settings: Any) -> ImageDataModule:
    """Return the data module for ``source``; ``settings`` are those of `ImageDataModule`."""
    if isinstance(source, OwnModuleSource):
        return OwnDataModule(source, preprocessing, **settings)
    return ImageDataModule(source, preprocessing, **settings)
