"""Settings of an option of which the name is all there is to choose."""

from convscope.config.base import Config


class NamedConfig(Config):
    """An option by its name. A class of an option with keys of its own derives from this one."""

    name: str
