"""Checks all code of the user's own that a configuration names, before any data is opened."""

import inspect
from collections.abc import Iterable
from typing import Any

from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger
from torch import nn
from torch.optim import Optimizer
from torchmetrics import Metric

from convscope.composition.instantiation import check_target, find_object, short_signature, signature_of
from convscope.config.augmentation import AUGMENTATIONS
from convscope.config.optimization import SCHEDULES
from convscope.config.saliency import METHODS, own_methods
from convscope.config.target import TargetConfig
from convscope.config.task import LOSSES
from convscope.config.text_data import TextsConfig
from convscope.config.train import TrainConfig
from convscope.engine.objective import CLASSES_ARGUMENTS, WEIGHT_ARGUMENTS, is_loss_function
from convscope.errors import UserError
from convscope.modalities.images.augmentations import SIZE_ARGUMENTS
from convscope.modalities.own_network import IMAGE_ARGUMENTS, TEXT_ARGUMENTS
from convscope.transfer.optimization import STEP_ARGUMENTS, takes_optimizer


def check_code(config: TrainConfig) -> None:
    """Import every class and function that ``config`` names by ``_target_``, and bind its arguments to its signature.

    The saliency methods of plugins are checked in the same way.

    Raises:
        UserError: One cannot be imported, does not take its arguments, or is a class of another kind.
    """
    arguments = TEXT_ARGUMENTS if isinstance(config.data, TextsConfig) else IMAGE_ARGUMENTS
    _check("model", config.model, nn.Module, arguments)
    _check("data", config.data, None)
    for place, stage in enumerate(config.transfer.stages):
        key = f"transfer.stages.{place}"
        _check(f"{key}.optimizer", stage.optimizer, Optimizer, positional=1)
        if isinstance(stage.schedule, TargetConfig):
            positional = 1 if takes_optimizer(stage.schedule) else 0
            _check(SCHEDULES.key, stage.schedule, None, STEP_ARGUMENTS, positional)
        _check(AUGMENTATIONS.key, stage.augmentation, None, SIZE_ARGUMENTS)
    if isinstance(config.task.loss, TargetConfig):
        loss = config.task.loss
        function = is_loss_function(find_object(f"{LOSSES.key}._target_", loss.target), loss.arguments)
        _check(LOSSES.key, loss, None, (*WEIGHT_ARGUMENTS, "label_smoothing"), 2 if function else 0)
    for name, metric in config.task.metrics.items():
        _check(f"task.metrics.{name}", metric, Metric, CLASSES_ARGUMENTS)
    for name, callback in config.callbacks.extra.items():
        _check(f"callbacks.extra.{name}", callback, Callback)
    for name, logger in config.logger.extra.items():
        _check(f"logger.extra.{name}", logger, Logger)
    for key, names in config.methods.items():
        for name in own_methods(names, config.noun):
            _check_method(key, name, METHODS[config.noun].builder(name))


def _check_method(key: str, name: str, method: Any) -> None:
    """Check that a saliency method of a plugin takes a network, inputs and classes."""
    signature = signature_of(method)
    if signature is None:
        return
    try:
        signature.bind(None, None, None)
    except TypeError as error:
        raise UserError(
            f"{key}={name}: is called with a network, inputs and classes: {error}; its signature: "
            f"{short_signature(signature)}"
        ) from error


def _check(key: str, settings: Any, kind: type | None, offered: Iterable[str] = (), positional: int = 0) -> None:
    """Check the code that ``settings`` name, if they name any; a class must be of ``kind``."""
    if not isinstance(settings, TargetConfig):
        return
    target = check_target(key, settings, offered, positional)
    if kind is not None and inspect.isclass(target) and not issubclass(target, kind):
        raise UserError(f"{key}._target_={settings.target}: is no {kind.__module__.split('.')[0]} {kind.__name__}")
