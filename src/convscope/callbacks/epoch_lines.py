"""One line for each epoch: the history of a training, on a terminal and in a log file alike."""

import time
from collections.abc import Callable

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback


class EpochLines(Callback):
    """Prints loss and accuracy of training and validation, and the time, after each epoch.

    The line of an epoch is printed when the next epoch begins or the training ends: the module logs the metrics of an
    epoch after the callbacks' hooks at its end.

    Epochs are counted through the run, from 1, up to the last one of the stage.

    Args:
        write: Takes a finished line.
        first_epoch: Number of epochs of the earlier stages.
    """

    def __init__(self, write: Callable[[str], None], first_epoch: int = 0) -> None:
        self.write, self.first_epoch = write, first_epoch
        self._started = 0.0
        self._ended: tuple[int, float] | None = None  # epoch and its seconds, until the line is printed

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock: an epoch that is resumed has no start hook."""
        self._started = time.perf_counter()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the line of the previous epoch, and start the clock."""
        self._print(trainer)
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock; validation has run by then."""
        self._ended = (self.first_epoch + trainer.current_epoch + 1, time.perf_counter() - self._started)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the last line."""
        self._print(trainer)

    def _print(self, trainer: pl.Trainer) -> None:
        if self._ended is None:
            return
        (epoch, seconds), self._ended = self._ended, None
        values = trainer.callback_metrics
        last = self.first_epoch + (trainer.max_epochs or 0)
        parts = [f"epoch {epoch:>{len(str(last))}}/{last}"]
        for split in ("train", "validation"):
            shown = [
                f"{name} {float(values[f'{split}/{name}']):.4f}"
                for name in ("loss", "accuracy")
                if f"{split}/{name}" in values
            ]
            if shown:
                parts.append(f"{split}: {', '.join(shown)}")
        self.write(f"{'  '.join(parts)}  ({seconds:.1f} s)")
