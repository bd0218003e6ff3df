"""When a network is analysed during training: after every stage, every few epochs, and with the kept weights."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from convscope.callbacks.time_spent import TimeSpent
from convscope.tracking.recorder import Recorder

# A tracker shows one image a step, and the last step already has that of the training's end.
STEPS_AFTER_TRAINING = 1


class PeriodicCallback(Callback, ABC):
    """Calls ``analyse`` at the end of every stage, and every few epochs within one; only in the first process.

    The kept weights may be those of an earlier epoch than the last: ``analyse_best`` runs after all stages.

    Args:
        recorder: Takes the figures, and knows how many epochs came before the stage.
        every_epochs: Epochs between two analyses within a stage; None: only at its end.
        time_spent: Counts the seconds, as ``saliency``.
    """

    def __init__(self, recorder: Recorder, every_epochs: int | None, time_spent: TimeSpent) -> None:
        self.recorder, self.every_epochs, self.time_spent = recorder, every_epochs, time_spent

    @abstractmethod
    def analyse(self, step: int, moment: str) -> None:
        """Draw the figures under ``step`` of the stage; ``moment`` describes when that is, for their titles."""

    def analyse_best(self, epoch: int) -> None:
        """Analyse the weights that the run has kept, which the network holds now; ``epoch`` is theirs, from 1."""
        self._analyse_timed(STEPS_AFTER_TRAINING, f"kept: epoch {epoch}")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Analyse every few epochs, but not after the last one: the end of the stage follows."""
        epoch = trainer.current_epoch + 1
        if self.every_epochs and epoch % self.every_epochs == 0 and epoch < (trainer.max_epochs or epoch):
            self._analyse_now(trainer, f"epoch {self.recorder.position.epochs + epoch}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Analyse at the end of a stage."""
        self._analyse_now(trainer, f"after {self.recorder.position.epochs + trainer.current_epoch} epochs")

    def _analyse_now(self, trainer: pl.Trainer, moment: str) -> None:
        if trainer.is_global_zero:
            self._analyse_timed(trainer.global_step, moment)

    def _analyse_timed(self, step: int, moment: str) -> None:
        with self.time_spent.measure("saliency"):
            self.analyse(step, moment)


def analyse_best_weights(callbacks: Sequence[Callback], epoch: int | None) -> None:
    """Call ``analyse_best`` of every `PeriodicCallback`, with the weights that were tested.

    Args:
        callbacks: The callbacks of the training.
        epoch: Epoch of the kept weights; None if none were kept: then nothing is called.
    """
    if epoch is not None:
        for callback in callbacks:
            if isinstance(callback, PeriodicCallback):
                callback.analyse_best(epoch)
