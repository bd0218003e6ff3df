"""Settings of ``convscope cache``."""

from typing import Literal

from convscope.config.base import Config


class CacheCommandConfig(Config):
    """Whether ``convscope cache`` lists or removes entries, and of which cache folder."""

    clear: Literal["none", "all", "images", "features", "tokens"]
    cache_dir: str | None
