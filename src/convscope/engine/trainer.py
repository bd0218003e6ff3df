"""Lightning's Trainer and its callbacks, as the configuration tells."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytorch_lightning as pl
import yaml
from pytorch_lightning.callbacks import Callback, EarlyStopping
from pytorch_lightning.loggers import Logger
from pytorch_lightning.profilers import PassThroughProfiler

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
from convscope.runs.checkpoint import open_checkpoint
from convscope.runs.run_folder import RunFolder

NOTHING = nullcontext()


def build_callbacks(config: TrainConfig, stage: StageConfig, first_epoch: int = 0) -> list[Callback]:
    """Progress, and what else ``callbacks=...`` switches on, for one stage; ``first_epoch`` epochs came before it."""
    told = config.callbacks
    callbacks: list[Callback] = []
    if config.task.ema > 0:
        callbacks.append(WarmupEMA(config.task.ema))
    if told.learning_rate:
        callbacks.append(LearningRateLog())
    if told.early_stopping is not None or stage.patience is not None:
        settings: dict[str, Any] = {"monitor": told.checkpoint.monitor, "mode": told.checkpoint.mode, "min_delta": 0.0}
        settings |= {} if told.early_stopping is None else told.early_stopping.model_dump()
        settings |= {} if stage.patience is None else {"patience": stage.patience}
        callbacks.append(EarlyStopping(**settings, check_finite=False))
    if told.progress != "none":
        callbacks.append(EpochLines(echo, first_epoch))
    return [*callbacks, *build_bar(config, stage.name, first_epoch)]


def build_bar(config: TrainConfig, stage: str, first_epoch: int = 0) -> list[Callback]:
    """The bar of a stage or of the test, where one is wanted and somebody sees it."""
    told = config.callbacks.progress
    wanted = not is_silent() and (told == "bar" or (told == "auto" and not config.quiet))
    return [TrainingBar(stage, get_console, first_epoch)] if wanted and get_console().is_terminal else []


class NoProfiler(PassThroughProfiler):
    """Nothing is measured, at no cost: Lightning's own way makes forty contexts a step, which a small network feels."""

    def profile(self, action_name: str) -> AbstractContextManager[Any]:  # type: ignore[override]
        """A context that does nothing."""
        return NOTHING


def build_trainer(
    config: TrainConfig,
    epochs: int,
    hardware: Hardware,
    folder: RunFolder,
    loggers: Sequence[Logger],
    callbacks: list[Callback],
) -> pl.Trainer:
    """A Trainer for a stage of ``epochs`` epochs that says what this program's user needs to know, and nothing else."""
    quieten_lightning()
    told = config.trainer
    return pl.Trainer(
        **hardware.trainer_arguments,
        max_epochs=min(epochs, told.max_epochs or epochs),
        logger=list(loggers),
        callbacks=callbacks,
        default_root_dir=folder.path,
        gradient_clip_val=told.gradient_clip or None,
        accumulate_grad_batches=told.accumulate_grad_batches,
        fast_dev_run=told.fast_dev_run or False,
        overfit_batches=told.overfit_batches,
        profiler=told.profiler or NoProfiler(),
        enable_progress_bar=False,
        enable_checkpointing=not told.fast_dev_run,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        inference_mode=False,  # what a network caches in a validation must serve its training
        plugins=[AtomicCheckpointIO()],
    )


def load_best(task: pl.LightningModule, folder: RunFolder) -> None:
    """Put the best weights of the run into ``task``, where there are any."""
    file = folder.checkpoints / BEST
    if file.is_file():
        task.load_state_dict(open_checkpoint(file)["state_dict"])


def as_yaml(plain: dict[str, Any]) -> str:
    """A plain dictionary as YAML, its keys in their own order."""
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
