"""``compare``: which sweep is compared, and by what."""

from typing import Annotated, Literal

from convscope.config.base import Config, matching


class CompareConfig(Config):
    """The runs of a sweep side by side: ``convscope compare``."""

    folder: str
    metric: Annotated[str, matching(r"(test|validation)/\w+", "a metric with its split, as in validation/accuracy")]
    order: Literal["auto", "highest", "lowest"]
