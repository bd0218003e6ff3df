"""Builds Lightning's Trainer and its callbacks from the configuration."""

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import yaml
from pytorch_lightning.callbacks import Callback, EarlyStopping
from pytorch_lightning.loggers import Logger

from convscope.callbacks.checkpoint_files import AtomicCheckpointIO
from convscope.callbacks.checkpoints import BEST
from convscope.callbacks.epoch_lines import EpochLines
from convscope.callbacks.learning_rate import LearningRateLog
from convscope.callbacks.training_bar import TrainingBar
from convscope.callbacks.weight_averaging import WarmupEMA
from convscope.config.train import TrainConfig
from convscope.config.transfer import StageConfig
from convscope.console import echo, get_console, is_silent
from convscope.engine.hardware import Hardware
from convscope.quiet_lightning import quieten_lightning
from convscope.runs.checkpoint import load_weights, open_checkpoint
from convscope.runs.run_folder import RunFolder


def build_callbacks(config: TrainConfig, stage: StageConfig, first_epoch: int = 0) -> list[Callback]:
    """Return the callbacks of one stage that the configuration switches on.

    These are weight averaging, the log of learning rates, early stopping, and progress.

    Args:
        config: The configuration of the run.
        stage: The stage's part of it.
        first_epoch: Number of epochs in earlier stages.
    """
    callbacks_config = config.callbacks
    callbacks: list[Callback] = []
    if config.task.ema > 0:
        callbacks.append(WarmupEMA(config.task.ema))
    if callbacks_config.learning_rate:
        callbacks.append(LearningRateLog())
    if callbacks_config.early_stopping is not None or stage.patience is not None:
        checkpoint = callbacks_config.checkpoint
        settings: dict[str, Any] = {"monitor": checkpoint.monitor, "mode": checkpoint.mode, "min_delta": 0.0}
        settings |= {} if callbacks_config.early_stopping is None else callbacks_config.early_stopping.model_dump()
        settings |= {} if stage.patience is None else {"patience": stage.patience}
        callbacks.append(EarlyStopping(**settings, check_finite=False))
    if callbacks_config.progress != "none":
        callbacks.append(EpochLines(echo, first_epoch))
    return [*callbacks, *build_bar(config, stage.name, first_epoch)]


def build_bar(config: TrainConfig, stage: str, first_epoch: int = 0) -> list[Callback]:
    """Return the progress bar of a stage or of the test; nothing if it is switched off or the output is no terminal."""
    progress = config.callbacks.progress
    show_bar = not is_silent() and (progress == "bar" or (progress == "auto" and not config.quiet))
    return [TrainingBar(stage, get_console, first_epoch)] if show_bar and get_console().is_terminal else []


def build_trainer(
    config: TrainConfig,
    epochs: int,
    hardware: Hardware,
    folder: RunFolder,
    loggers: Sequence[Logger],
    callbacks: list[Callback],
) -> pl.Trainer:
    """Return a Trainer for a stage of ``epochs`` epochs, with Lightning's own console output switched off."""
    quieten_lightning()
    settings = config.trainer
    further = {"num_sanity_val_steps": 0, **hardware.trainer_arguments, **settings.arguments}
    return pl.Trainer(
        **further,
        max_epochs=min(epochs, settings.max_epochs or epochs),
        logger=list(loggers),
        callbacks=callbacks,
        default_root_dir=folder.path,
        gradient_clip_val=settings.gradient_clip or None,
        accumulate_grad_batches=settings.accumulate_grad_batches,
        fast_dev_run=settings.fast_dev_run or False,
        overfit_batches=settings.overfit_batches,
        profiler=settings.profiler,
        enable_progress_bar=False,
        enable_checkpointing=not settings.fast_dev_run,
        enable_model_summary=False,
        inference_mode=False,  # a network may cache tensors during validation and use them in training
        plugins=[AtomicCheckpointIO()],
    )


def load_best(task: pl.LightningModule, folder: RunFolder) -> None:
    """Load the weights of ``best.ckpt`` into ``task``, if the run has that checkpoint."""
    file = folder.checkpoints / BEST
    if file.is_file():
        load_weights(task, open_checkpoint(file)["state_dict"], file)


def as_yaml(values: dict[str, Any]) -> str:
    """Return plain dictionaries, lists and scalars as YAML, with the keys in their own order."""
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
