"""Settings of ``convscope explain``."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from convscope.config.base import Config
from convscope.config.saliency import Methods
from convscope.config.target import ModuleNames
from convscope.config.trainer import TrainerConfig

Matrix = Annotated[list[Annotated[list[float | int], Field(min_length=1)]], Field(min_length=1)]
Name = Annotated[str, Field(min_length=1)]


class MaxPoolConfig(Config):
    """The matrix that ``topic=max_pool`` pools, and the parameters of the pooling."""

    matrix: Matrix
    derivatives: Matrix | None
    kernel: PositiveInt
    stride: PositiveInt
    padding: NonNegativeInt
    dilation: PositiveInt


class ExplainConfig(Config):
    """The run and inputs that ``convscope explain`` explains, and the saliency methods."""

    run: Name | None
    images: Name | None
    text: Name | None
    method: Methods | None
    target: Name | int
    layer: Name | None
    score: Literal["logit", "probability", "binary"]
    max_images: Annotated[int, Field(ge=1, le=1000)]
    checkpoint: Literal["best", "last"]
    topic: Literal["max_pool"] | None
    max_pool: MaxPoolConfig
    folder: str | None
    trainer: TrainerConfig
    plugins: ModuleNames
    trust: ModuleNames
