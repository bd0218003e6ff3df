"""``explain``: everything that one explanation can be told."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from convscope.config.base import Config
from convscope.config.saliency import Methods
from convscope.config.train import Trainer

Matrix = Annotated[list[Annotated[list[float | int], Field(min_length=1)]], Field(min_length=1)]
Name = Annotated[str, Field(min_length=1)]


class MaxPool(Config):
    """The matrix that is pooled, and how."""

    matrix: Matrix
    derivatives: Matrix | None
    kernel: PositiveInt
    stride: PositiveInt
    padding: NonNegativeInt
    dilation: PositiveInt


class Explain(Config):
    """An explanation: ``convscope explain``."""

    run: Name | None
    images: Name | None
    text: Name | None
    method: Methods | None
    target: Name | int
    layer: Name | None
    score: Literal["logit", "probability", "binary"]
    pictures: Annotated[int, Field(ge=1, le=1000)]
    checkpoint: Literal["best", "last"]
    topic: Literal["max_pool"] | None
    max_pool: MaxPool
    folder: str | None
    trainer: Trainer
