"""Settings of ``convscope compare``."""

from typing import Annotated, Literal

from convscope.config.base import Config, matching


class CompareConfig(Config):
    """The sweep whose runs ``convscope compare`` lists, and the metric by which they are ordered."""

    folder: str
    metric: Annotated[str, matching(r"(test|validation)/\w+", "a metric with its split, as in validation/accuracy")]
    order: Literal["auto", "highest", "lowest"]
