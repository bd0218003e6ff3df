"""From ``model=...`` to the network for images that it names."""

from dataclasses import dataclass

from convscope.config.model import ModelConfig
from convscope.config.text_model import TEXT_MODELS
from convscope.errors import UserError
from convscope.insight.parameters import ParameterTable
from convscope.modalities.built_network import BuiltNetwork
from convscope.models.images.zoo.architecture import Architecture
from convscope.models.images.zoo.network import Network
from convscope.models.images.zoo.registry import find_architecture


def build_architecture(config: ModelConfig) -> Architecture:
    """Return the architecture that ``model=...`` names.

    Raises:
        UserError: No library has a model of that name, or it is a network for texts.
    """
    if isinstance(config, TEXT_MODELS):
        raise UserError(f"model={config.name}: reads texts, and a network for images is needed here")
    return find_architecture(**config.model_dump(exclude={"weights"}))


@dataclass(frozen=True)
class BuiltImageNetwork(BuiltNetwork):
    """A network for images, built for their classes and channels.

    Attributes:
        table: The layers of the network, before any stage has frozen a parameter.
    """

    network: Network
    table: ParameterTable
