"""Settings of ``convscope evaluate``."""

from typing import Annotated, Literal

from pydantic import Field

from convscope.config.base import Config
from convscope.config.data import DataConfig
from convscope.config.target import ModuleNames
from convscope.config.trainer import TrainerConfig


class EvaluateConfig(Config):
    """The run that ``convscope evaluate`` evaluates, the data, and the hardware."""

    run: Annotated[str, Field(min_length=1)]
    checkpoint: Literal["best", "last"]
    data: DataConfig
    trainer: TrainerConfig
    plugins: ModuleNames
    trust: ModuleNames
