"""Pruning: a hyperparameter search follows the validation metric of its trial, and may end it."""

from collections.abc import Callable

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from convscope.errors import Pruned, UserError
from convscope.runs.position import StageOffset


class PruningCallback(Callback):
    """Reports a metric after every epoch, and ends the training if the search prunes the trial.

    Args:
        metric: Name of the metric, such as ``validation/accuracy``.
        position: Where the stage begins in its run: epochs are counted through all stages.
        should_prune: Takes the number of epochs and the metric; returns whether to end the trial.
    """

    def __init__(self, metric: str, position: StageOffset, should_prune: Callable[[int, float], bool]) -> None:
        self.metric, self.position, self.should_prune = metric, position, should_prune

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report the metric; validation has run by then.

        Raises:
            Pruned: The search ends the trial.
            UserError: No metric called ``metric`` is logged.
        """
        if self.metric not in trainer.callback_metrics:
            logged = ", ".join(sorted(name for name in trainer.callback_metrics if name.startswith("validation/")))
            raise UserError(f"sweep.metric={self.metric}: nothing of that name is logged; there is {logged}")
        epochs, value = self.position.epochs + trainer.current_epoch + 1, float(trainer.callback_metrics[self.metric])
        if self.should_prune(epochs, value):
            raise Pruned(epochs, value)
