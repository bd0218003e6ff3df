"""Settings of ``convscope new``."""

from convscope.config.base import Config


class NewConfig(Config):
    """The name of the project that ``convscope new`` writes."""

    name: str | None
