"""``zoo``: everything that the list of the networks can be told."""

from typing import Annotated, Literal

from pydantic import Field

from convscope.config.base import Config


class ZooConfig(Config):
    """The list of the zoo: ``convscope zoo``."""

    output: Literal["table", "json", "markdown"]
    figure: Annotated[str, Field(min_length=1)] | None
    readme: Annotated[str, Field(min_length=1)] | None
