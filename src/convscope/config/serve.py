"""``serve``: everything that the local page can be told."""

from typing import Annotated, Literal

from pydantic import Field

from convscope.config.base import Config


class ServeConfig(Config):
    """A local page: ``convscope serve``."""

    run: Annotated[str, Field(min_length=1)]
    checkpoint: Literal["best", "last"]
    port: Annotated[int, Field(ge=0, le=65535)]
