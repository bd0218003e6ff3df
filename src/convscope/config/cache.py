"""``cache``: what may be asked of the cache."""

from typing import Literal

from convscope.config.base import Config


class CacheCommandConfig(Config):
    """A look at the cache: ``convscope cache``."""

    clear: Literal["none", "all", "images", "features", "tokens"]
    cache_dir: str | None
