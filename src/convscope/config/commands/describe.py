"""Settings of ``convscope describe``."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from convscope.config.base import Config
from convscope.config.model import InputSize, ModelConfig
from convscope.config.target import ModuleNames


class DescribeConfig(Config):
    """The network that ``convscope describe`` describes, its input, and the form of the output."""

    model: ModelConfig
    input_size: InputSize
    classes: PositiveInt | None
    channels: PositiveInt | None
    output: Literal["table", "json", "csv", "markdown"]
    layer: Annotated[str, Field(min_length=1)] | None
    figure: Annotated[str, Field(min_length=1)] | None
    fold: Literal["auto"] | bool
    compare: list[list[str]]
    plugins: ModuleNames
