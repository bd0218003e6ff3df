"""Checks all code of the user's own that a configuration names, before any data is opened."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger
from torch import nn
from torch.optim import Optimizer
from torchmetrics import Metric

from convscope.composition.instantiation import check_target, find_object, short_signature, signature_of
from convscope.config.augmentation import AUGMENTATIONS
from convscope.config.callbacks import CALLBACKS
from convscope.config.data import ImagesConfig
from convscope.config.data_set import DATA
from convscope.config.logger import OWN_LOGGERS
from convscope.config.network import MODELS
from convscope.config.optimization import OPTIMIZERS, SCHEDULES
from convscope.config.registry import Registry
from convscope.config.saliency import METHODS as SALIENCY_METHODS
from convscope.config.saliency import own_methods
from convscope.config.target import TargetConfig
from convscope.config.task import LOSSES, METRICS
from convscope.config.text_data import TextsConfig
from convscope.config.train import TrainConfig
from convscope.engine.objective import CLASSES_ARGUMENTS, WEIGHT_ARGUMENTS, is_loss_function
from convscope.errors import UserError, reason_of
from convscope.modalities.images.augmentations import SIZE_ARGUMENTS
from convscope.modalities.own_network import IMAGE_ARGUMENTS, TEXT_ARGUMENTS
from convscope.quiet_lightning import quieten_lightning
from convscope.transfer.optimization import STEP_ARGUMENTS, takes_optimizer


def check_code(config: TrainConfig) -> None:
    """Import every class and function that ``config`` names by ``_target_``, and bind its arguments to its signature.

    The saliency methods of plugins are checked in the same way.

    Raises:
        UserError: One cannot be imported, does not take its arguments, or is a class of another kind.
    """
    arguments = TEXT_ARGUMENTS if isinstance(config.data, TextsConfig) else IMAGE_ARGUMENTS
    _check(MODELS, "model", config.model, nn.Module, arguments)
    _check(DATA, "data", config.data, None)
    for place, stage in enumerate(config.transfer.stages):
        _check(OPTIMIZERS, _stage_key(config, place, "optimizer"), stage.optimizer, Optimizer, positional=1)
        positional = 1 if isinstance(stage.schedule, TargetConfig) and takes_optimizer(stage.schedule) else 0
        _check(SCHEDULES, _stage_key(config, place, "schedule"), stage.schedule, None, STEP_ARGUMENTS, positional)
        _check(AUGMENTATIONS, _stage_key(config, place, "augmentation"), stage.augmentation, None, SIZE_ARGUMENTS)
    loss, function = config.task.loss, False
    if isinstance(loss, TargetConfig):
        function = is_loss_function(find_object(f"{LOSSES.key}._target_", loss.target), loss.arguments)
    _check(LOSSES, LOSSES.key, loss, None, (*WEIGHT_ARGUMENTS, "label_smoothing"), 2 if function else 0)
    for name, metric in config.task.metrics.items():
        _check(METRICS, f"task.metrics.{name}", metric, Metric, CLASSES_ARGUMENTS)
    for name, callback in config.callbacks.extra.items():
        _check(CALLBACKS, f"callbacks.extra.{name}", callback, Callback)
    for name, logger in config.logger.extra.items():
        _check(OWN_LOGGERS, f"logger.extra.{name}", logger, Logger)
    for key, names in config.methods.items():
        for name in own_methods(names, config.noun):
            _check_method(key, name, SALIENCY_METHODS[config.noun].function(name))
    if config.trainer.arguments:
        _check_trainer_arguments(config.trainer.arguments)


def _stage_key(config: TrainConfig, place: int, name: str) -> str:
    """Return the key at which a user set what a stage holds: that of all stages, if it is the same in each."""
    values = [getattr(stage, name) for stage in config.transfer.stages]
    if any(value != values[0] for value in values):
        return f"transfer.stages.{place}.{name}"
    data = config.data.augmentation if isinstance(config.data, ImagesConfig) else None
    return "data.augmentation" if name == "augmentation" and data == values[0] else f"transfer.{name}"


def _check_trainer_arguments(arguments: Mapping[str, Any]) -> None:
    """Check that Lightning's Trainer takes the arguments, by making one for a single process."""
    strategy = arguments.get("strategy")
    if isinstance(strategy, str) and strategy.startswith(("fsdp", "deepspeed")) and not torch.cuda.is_available():
        raise UserError(f"trainer.arguments.strategy={strategy}: needs GPUs, and PyTorch finds none on this machine")
    quieten_lightning()
    others = {name: value for name, value in arguments.items() if name != "strategy"}
    try:
        pl.Trainer(
            accelerator="cpu", devices=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, **others,
        )  # fmt: skip
    except Exception as error:
        raise UserError(f"trainer.arguments: {reason_of(error)}") from error


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


def _check(
    registry: Registry,
    key: str,
    settings: Any,
    kind: type | None,
    offered: Iterable[str] = (),
    positional: int = 0,
) -> None:
    """Check the code that ``settings`` name, if any: a class must be of ``kind``, a plugin's be importable."""
    if not isinstance(settings, TargetConfig):
        if settings.name in registry.added:
            registry.builder(settings.name)
        return
    target = check_target(key, settings, offered, positional)
    if kind is not None and inspect.isclass(target) and not issubclass(target, kind):
        raise UserError(f"{key}._target_={settings.target}: is no {kind.__module__.split('.')[0]} {kind.__name__}")
