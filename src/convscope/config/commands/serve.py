"""Settings of ``convscope serve``."""

from typing import Annotated, Literal

from pydantic import Field

from convscope.config.base import Config
from convscope.config.target import ModuleNames


class ServeConfig(Config):
    """The run that ``convscope serve`` serves as a local page, and the port."""

    run: Annotated[str, Field(min_length=1)]
    checkpoint: Literal["best", "last"]
    port: Annotated[int, Field(ge=0, le=65535)]
    plugins: ModuleNames
    trust: ModuleNames
