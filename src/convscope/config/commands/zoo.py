"""Settings of ``convscope zoo``."""

from typing import Annotated, Literal

from pydantic import Field

from convscope.config.base import Config


class ZooConfig(Config):
    """The form of the list of networks that ``convscope zoo`` prints, and the files that it writes."""

    output: Literal["table", "json", "markdown"]
    figure: Annotated[str, Field(min_length=1)] | None
    readme: Annotated[str, Field(min_length=1)] | None
