"""Callbacks and loggers of the user's own: those of ``callbacks.extra`` and ``logger.extra``."""

from collections.abc import Mapping
from typing import Any

from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger

from convscope.composition.instantiation import build_target, call_with_named
from convscope.config.callbacks import CALLBACKS
from convscope.config.logger import OWN_LOGGERS, LoggerConfig
from convscope.config.registry import Registry
from convscope.config.target import TargetConfig
from convscope.config.train import TrainConfig
from convscope.errors import UserError


def build_own_callbacks(config: TrainConfig) -> list[Callback]:
    """Return the callbacks of ``callbacks.extra``, which take part in all stages and in the test.

    Raises:
        UserError: One cannot be built, or is no callback of Lightning.
    """
    return list(_build(CALLBACKS, config.callbacks.extra, Callback).values())


def build_own_loggers(config: LoggerConfig) -> dict[str, Logger]:
    """Return the loggers of ``logger.extra`` by name.

    Raises:
        UserError: One cannot be built, or is no logger of Lightning.
    """
    return _build(OWN_LOGGERS, config.extra, Logger)


def _build(registry: Registry, settings: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    built = {}
    for name, option in settings.items():
        key = registry.key.replace("NAME", name)
        if isinstance(option, TargetConfig):
            built[name] = build_target(key, option)
        else:
            built[name] = call_with_named(registry.builder(option.name), settings=option)
        if not isinstance(built[name], kind):
            raise UserError(f"{key}: returns {type(built[name]).__name__}, and no {kind.__name__} of Lightning")
    return built
