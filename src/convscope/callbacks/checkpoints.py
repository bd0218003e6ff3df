"""Which weights of a training are kept, and what a resume needs."""

import io
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, Checkpoint, WeightAveraging

from convscope.callbacks.preemption import Preemption
from convscope.errors import UserError
from convscope.runs.files import write_atomically

BEST, LAST = "best.ckpt", "last.ckpt"
STATE = "Checkpoints"  # the key of what `Checkpoints` keeps in a checkpoint


class Checkpoints(Checkpoint):
    """Keeps the weights of the epoch with the best ``monitor`` as ``best.ckpt``, and all that a resume needs as
    ``last.ckpt``.

    Of equally good epochs the latest is kept: on a small validation split many share one accuracy, and the later
    were made at a lower rate. The best weights wait in memory, those alone that the stage changes, and go to the disk
    with the last ones: at the beginning and the end of a stage, and after the first epoch that ends ``every_seconds``
    after that. A kill costs no more than that much work.

    ``last.ckpt`` also tells how much was logged when it was made, so that a resumed run logs all that followed, once.
    Lightning logs a step's and an epoch's metrics after the hooks at its end. So what is to be written is gathered
    there, as Lightning can resume it, and written when the next step or epoch begins: :attr:`writer` does that.

    Args:
        folder: Where the files go.
        monitor: A metric that is logged in every epoch.
        mode: Which end of it is good.
        every_seconds: At least so long between two writes.
        stage: Number of the stage; ``last.ckpt`` holds it.
        best: The best ``monitor`` of the earlier stages.
        best_epoch: The epoch in which that was, counted through the run and from 1.
        first_epoch: Epochs of the earlier stages.
        preemption: Signals that ask for an end: ``last.ckpt`` is written after the step that is under way.
        result: Plain values about the finished stage, which the ``last.ckpt`` of its end holds.
        read_marks: How much was logged, as plain values; called in the first process, before a file is written.

    Attributes:
        writer: The callback that must come before all others.
    """

    def __init__(
        self,
        folder: Path,
        monitor: str,
        mode: str,
        every_seconds: float = 0.0,
        stage: int = 0,
        best: float | None = None,
        best_epoch: int | None = None,
        first_epoch: int = 0,
        preemption: Preemption | None = None,
        result: Callable[[pl.Trainer], dict[str, Any]] = lambda _: {},
        read_marks: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self.folder = folder
        self.monitor, self.mode = monitor, mode
        self.every_seconds = every_seconds
        self.stage = stage
        self.best, self.best_epoch = best, best_epoch
        self.first_epoch = first_epoch
        self.writer = CheckpointWriter(self)
        self._make_result, self._result = result, None
        self._read_marks = read_marks
        self._preemption = preemption
        self._gathered: dict[str, Any] | None = None  # what is written when the next step or epoch begins
        self._ends = False  # for a signal, once that is done
        self._waiting: dict[str, Any] | None = None  # best weights that are not on disk
        self._written = 0.0
        self._resumed = False

    _result: dict[str, Any] | None

    @property
    def state_key(self) -> str:
        """Lightning asks at every hook of every step."""
        return STATE

    def state_dict(self) -> dict[str, Any]:
        """What the stage has reached."""
        return {"best": self.best, "best_epoch": self.best_epoch, "stage": self.stage, "result": self._result}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.best, self.best_epoch = state_dict["best"], state_dict.get("best_epoch")
        self._resumed = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the state before the first step: from here on, ``best.ckpt`` may be a later one than the stage's."""
        self._written = time.monotonic()
        if not self._resumed:
            self._gathered = _dump(trainer)
            self.write(trainer, pl_module)
        if self._preemption is not None:
            self._preemption.defer()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Where a signal came: gather all, to write it and end before the next step. Within a step of several batches,
        or after an epoch's last one, wait: gradients are not kept, and the validation belongs to its epoch."""
        if self._preemption is None:
            return
        within_step = (batch_idx + 1) % trainer.accumulate_grad_batches != 0
        if not within_step and batch_idx + 1 < trainer.num_training_batches and self._preemption.requested():
            self._gathered, self._ends = _dump(trainer), True

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the weights, where they are at least as good as the best so far.

        Raises:
            UserError: Nothing called ``monitor`` is logged.
        """
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        if self.monitor not in trainer.callback_metrics:
            logged = ", ".join(sorted(trainer.callback_metrics))
            raise UserError(
                f"callbacks.checkpoint.monitor={self.monitor}: nothing of that name is logged; there is {logged}"
            )
        value = float(trainer.callback_metrics[self.monitor])
        if self.best is None or math.isnan(self.best):  # no value is better or worse than NaN
            better = True
        else:
            better = value >= self.best if self.mode == "max" else value <= self.best
        if better:
            self.best, self.best_epoch = value, self.first_epoch + trainer.current_epoch + 1
            self._waiting = {
                "epoch": trainer.current_epoch,
                "global_step": trainer.global_step,
                "stage": self.stage,
                self.monitor: value,
                "state_dict": _changing(trainer, pl_module),
            }

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather both, where the last time is long enough ago, or a signal came."""
        self._ends = self._preemption is not None and self._preemption.requested(now=True)
        due = time.monotonic() - self._written >= self.every_seconds
        if self._ends or trainer.strategy.broadcast(due):  # the clock of the first process is that of all
            self._gathered = _dump(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write both; all other callbacks have finished the stage by then."""
        self._result = self._make_result(trainer)
        self._gathered = _dump(trainer)
        self.write(trainer, pl_module)

    def write(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write what was gathered, if anything, and end where a signal asked for that.

        Raises:
            Interrupted: One did; that which comes at the end of a stage waits until the stage is noted as finished.
        """
        if self._gathered is None:
            return
        if self._waiting is not None:
            checkpoint: dict[str, Any] = {"pytorch-lightning_version": pl.__version__, **self._waiting}
            checkpoint["state_dict"] = pl_module.state_dict() | checkpoint["state_dict"]
            pl_module.on_save_checkpoint(checkpoint)
            if trainer.is_global_zero:
                content = io.BytesIO()
                torch.save(checkpoint, content)
                write_atomically(self.folder / BEST, content.getvalue(), to_disk=True)
        self._waiting = None
        checkpoint, self._gathered = self._gathered, None
        if trainer.is_global_zero:
            checkpoint["callbacks"][self.state_key]["logged"] = self._read_marks()
        trainer.strategy.save_checkpoint(checkpoint, self.folder / LAST)
        trainer.strategy.barrier("last.ckpt")
        self._written = time.monotonic()
        if self._ends and self._result is None and self._preemption is not None:
            self._preemption.stop_deferring()


class CheckpointWriter(Callback):
    """Has `Checkpoints` write what it gathered, before a step or an epoch begins that logs something of its own."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write what an epoch left."""
        self._checkpoints.write(trainer, pl_module)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Write what a step left."""
        self._checkpoints.write(trainer, pl_module)


def _dump(trainer: pl.Trainer) -> dict[str, Any]:
    """What `Trainer.save_checkpoint` writes. All processes must come here. It holds the weights themselves."""
    checkpoint: dict[str, Any] = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
    return checkpoint


def _changing(trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, torch.Tensor]:
    """Copies of the weights and statistics that training changes, averaged where they are validated so."""
    module: torch.nn.Module = pl_module
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, WeightAveraging) and callback._average_model is not None:
            module = callback._average_model.module
    frozen = {name for name, parameter in pl_module.named_parameters() if not parameter.requires_grad}
    return {name: value.detach().clone() for name, value in module.state_dict().items() if name not in frozen}
