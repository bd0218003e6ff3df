"""``model.weights``: what every network can be told."""

from typing import Annotated

from pydantic import Field

from convscope.config.base import Config

PRETRAINED_SOURCES = ("auto", "packaged", "hub", "random")


class WeightedConfig(Config):
    """A network, with where its weights are from."""

    weights: Annotated[str, Field(min_length=1)]  # one of PRETRAINED_SOURCES, or a file
