"""``evaluate``: everything that one evaluation can be told."""

from typing import Annotated, Literal

from pydantic import Field

from convscope.config.base import Config
from convscope.config.data import Data
from convscope.config.train import Trainer


class Evaluate(Config):
    """An evaluation: ``convscope evaluate``."""

    run: Annotated[str, Field(min_length=1)]
    checkpoint: Literal["best", "last"]
    data: Data
    trainer: Trainer
