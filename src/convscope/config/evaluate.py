"""``evaluate``: everything that one evaluation can be told."""

from typing import Annotated, Literal

from pydantic import Field

from convscope.config.base import Config
from convscope.config.data import DataConfig
from convscope.config.train import TrainerConfig


class EvaluateConfig(Config):
    """An evaluation: ``convscope evaluate``."""

    run: Annotated[str, Field(min_length=1)]
    checkpoint: Literal["best", "last"]
    data: DataConfig
    trainer: TrainerConfig
