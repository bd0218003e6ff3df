"""When to look into a network: at the end of every stage, every few epochs, and with the weights that were kept."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from convscope.callbacks.time_spent import TimeSpent
from convscope.tracking.recorder import Recorder

AFTER = 1  # steps: a tracker shows one image a step, and the last step has that of the training's end


class PeriodicCallback(Callback, ABC):
    """Calls ``look`` at the end of every stage, and every few epochs within one; only in the first process.

    The weights that are kept may be those of an earlier epoch than the last: ``look_at_kept`` has the last word.

    Args:
        recorder: Knows how many epochs came before the stage.
        every_epochs: Epochs between two moments within a stage; None: only its end.
        spent: Where the time is counted, as ``saliency``.
    """

    def __init__(self, recorder: Recorder, every_epochs: int | None, time_spent: TimeSpent) -> None:
        self.recorder, self.every_epochs, self.time_spent = recorder, every_epochs, time_spent

    @abstractmethod
    def analyse(self, step: int, moment: str) -> None:
        """Draw what is seen at ``step`` of the stage; ``moment`` says when that is."""

    def analyse_best(self, epoch: int) -> None:
        """Look at the weights that the run has kept, which the network has now; ``epoch`` left them, from 1."""
        self._look(AFTER, f"kept: epoch {epoch}")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look, where it is time to; the last epoch's turn is the end of the stage."""
        epoch = trainer.current_epoch + 1
        if self.every_epochs and epoch % self.every_epochs == 0 and epoch < (trainer.max_epochs or epoch):
            self._look_at(trainer, f"epoch {self.recorder.position.epochs + epoch}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the end of a stage."""
        self._look_at(trainer, f"after {self.recorder.position.epochs + trainer.current_epoch} epochs")

    def _look_at(self, trainer: pl.Trainer, moment: str) -> None:
        if trainer.is_global_zero:
            self._look(trainer.global_step, moment)

    def _look(self, step: int, moment: str) -> None:
        with self.time_spent.measure("saliency"):
            self.analyse(step, moment)


def analyse_best_weights(callbacks: Sequence[Callback], epoch: int | None) -> None:
    """Have what looked into the network while it was trained look at the weights that were tested, too.

    Args:
        callbacks: Of the training.
        epoch: Of the kept weights; None where none were kept.
    """
    if epoch is not None:
        for callback in callbacks:
            if isinstance(callback, PeriodicCallback):
                callback.analyse_best(epoch)
