"""What all options of ``data`` have in common, and their registry."""

from typing import Annotated, Literal

from pydantic import Field

from convscope.config.base import Config
from convscope.config.registry import Registry


class DataSetConfig(Config):
    """Settings that all data sets share. What ``builds`` one takes its settings and returns its examples."""

    name: str
    batch_size: Annotated[int, Field(ge=1, le=65536)]
    class_weights: Literal["none", "balanced"]
    cache_dir: str | None


DATA = Registry("data")
