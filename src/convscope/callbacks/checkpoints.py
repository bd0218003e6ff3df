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
STATE = "Checkpoints"  # the key of the state of `BestAndLastCheckpoint` in a checkpoint


class BestAndLastCheckpoint(Checkpoint):
    """Keeps the best weights as ``best.ckpt``, and all that a resume needs as ``last.ckpt``.

    The best weights are those of the epoch with the best ``monitor``, and of equally good epochs those of the latest:
    on a small validation split many epochs share one accuracy, and the later ones trained at a lower rate. The best
    weights wait in memory, only those that the stage changes, and go to the disk together with the last ones: at the
    beginning and the end of a stage, and after the first epoch that ends ``every_seconds`` after the last write. A kill
    costs no more than that much work.

    ``last.ckpt`` also records how much was logged when it was made, so that a resumed run logs all that followed, once.
    Lightning logs a step's and an epoch's metrics after the hooks at its end. So a snapshot is taken in those hooks,
    where Lightning can resume it, and written when the next step or epoch begins: :attr:`writer` does that.

    Args:
        folder: Folder of the files.
        monitor: A metric that is logged in every epoch.
        mode: ``max`` or ``min``: which values of ``monitor`` are good.
        every_seconds: Minimum seconds between two writes.
        stage: Number of the stage, from 0; ``last.ckpt`` holds it.
        best: The best ``monitor`` of the earlier stages.
        best_epoch: The epoch of that value, counted through the run and from 1.
        first_epoch: Number of epochs of the earlier stages.
        preemption: Signals that request an end: ``last.ckpt`` is written after the current step.
        result: Returns plain values about the finished stage, which the ``last.ckpt`` at its end holds.
        read_marks: Returns how much was logged, as plain values; called in the first process, before a file is written.

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
        self._pending: dict[str, Any] | None = None  # the snapshot to write when the next step or epoch begins
        self._stop_after_write = False  # because of a signal
        self._unsaved_best: dict[str, Any] | None = None  # best weights that are not on disk yet
        self._last_write = 0.0
        self._resumed = False

    _result: dict[str, Any] | None

    @property
    def state_key(self) -> str:
        """A constant: Lightning asks for it at every hook of every step."""
        return STATE

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and its epoch so far, the stage, and the result of the stage once it is finished."""
        return {"best": self.best, "best_epoch": self.best_epoch, "stage": self.stage, "result": self._result}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best value and its epoch."""
        self.best, self.best_epoch = state_dict["best"], state_dict.get("best_epoch")
        self._resumed = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the state before the first step: from now on ``best.ckpt`` may hold later weights than those."""
        self._last_write = time.monotonic()
        if not self._resumed:
            self._pending = _dump(trainer)
            self.write(trainer, pl_module)
        if self._preemption is not None:
            self._preemption.defer()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take a snapshot if a signal came; it is written, and the training ends, before the next step.

        Within a step of several accumulated batches, or after an epoch's last batch, wait: gradients are not kept, and
        the validation belongs to its epoch.
        """
        if self._preemption is None:
            return
        within_step = (batch_idx + 1) % trainer.accumulate_grad_batches != 0
        if not within_step and batch_idx + 1 < trainer.num_training_batches and self._preemption.requested():
            self._pending, self._stop_after_write = _dump(trainer), True

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep a copy of the weights if they are at least as good as the best so far.

        Raises:
            UserError: No metric called ``monitor`` is logged.
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
            self._unsaved_best = {
                "epoch": trainer.current_epoch,
                "global_step": trainer.global_step,
                "stage": self.stage,
                self.monitor: value,
                "state_dict": _copy_changing(trainer, pl_module),
            }

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take a snapshot if the last write is long enough ago, or if a signal came."""
        self._stop_after_write = self._preemption is not None and self._preemption.requested(now=True)
        due = time.monotonic() - self._last_write >= self.every_seconds
        if self._stop_after_write or trainer.strategy.broadcast(due):  # the clock of the first process decides for all
            self._pending = _dump(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write both files; all other callbacks have finished the stage by then."""
        self._result = self._make_result(trainer)
        self._pending = _dump(trainer)
        self.write(trainer, pl_module)

    def write(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the snapshot, if there is one, and end the training if a signal requested that.

        Raises:
            Interrupted: A signal requested an end. At the end of a stage this waits until the stage is recorded as
                finished.
        """
        if self._pending is None:
            return
        if self._unsaved_best is not None:
            checkpoint: dict[str, Any] = {"pytorch-lightning_version": pl.__version__, **self._unsaved_best}
            checkpoint["state_dict"] = pl_module.state_dict() | checkpoint["state_dict"]
            pl_module.on_save_checkpoint(checkpoint)
            if trainer.is_global_zero:
                content = io.BytesIO()
                torch.save(checkpoint, content)
                write_atomically(self.folder / BEST, content.getvalue(), to_disk=True)
        self._unsaved_best = None
        checkpoint, self._pending = self._pending, None
        if trainer.is_global_zero:
            checkpoint["callbacks"][self.state_key]["logged"] = self._read_marks()
        trainer.strategy.save_checkpoint(checkpoint, self.folder / LAST)
        trainer.strategy.barrier("last.ckpt")
        self._last_write = time.monotonic()
        if self._stop_after_write and self._result is None and self._preemption is not None:
            self._preemption.stop_deferring()


class CheckpointWriter(Callback):
    """Makes `BestAndLastCheckpoint` write its snapshot, before the next step or epoch logs anything."""

    def __init__(self, checkpoints: BestAndLastCheckpoint) -> None:
        self._checkpoints = checkpoints

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the snapshot taken at the end of the previous epoch."""
        self._checkpoints.write(trainer, pl_module)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Write the snapshot taken at the end of the previous step."""
        self._checkpoints.write(trainer, pl_module)


def _dump(trainer: pl.Trainer) -> dict[str, Any]:
    """Return what `Trainer.save_checkpoint` writes. All processes must call this.

    The weights in it are the network's own, no copies.
    """
    checkpoint: dict[str, Any] = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
    return checkpoint


def _copy_changing(trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, torch.Tensor]:
    """Return copies of the weights and buffers that training changes; the averaged ones if weights are averaged."""
    module: torch.nn.Module = pl_module
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, WeightAveraging) and callback._average_model is not None:
            module = callback._average_model.module
    frozen = {name for name, parameter in pl_module.named_parameters() if not parameter.requires_grad}
    return {name: value.detach().clone() for name, value in module.state_dict().items() if name not in frozen}
