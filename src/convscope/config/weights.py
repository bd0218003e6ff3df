"""The setting ``model.weights``, which every network has."""

from typing import Annotated

from pydantic import Field

from convscope.config.base import Config

PRETRAINED_SOURCES = ("auto", "packaged", "hub", "random")


class NetworkConfig(Config):
    """Settings of a network, with the source of its weights."""

    weights: Annotated[str, Field(min_length=1)]  # one of PRETRAINED_SOURCES, or a file
