"""``compare``: which sweep is compared, and by what."""

from typing import Annotated, Literal

from pydantic import Field

from convscope.config.base import Config


class Compare(Config):
    """The runs of a sweep side by side: ``convscope compare``."""

    folder: str
    metric: Annotated[str, Field(pattern=r"^(test|validation)/\w+$")]
    order: Literal["auto", "highest", "lowest"]
