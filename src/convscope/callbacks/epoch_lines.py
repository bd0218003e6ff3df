"""One line an epoch: the history of a training, on a terminal and in a log file alike."""

import time
from collections.abc import Callable

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback


class EpochLines(Callback):
    """Prints loss and accuracy of training and validation, and the time, at the end of each epoch.

    Args:
        write: Takes a finished line.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write
        self._started = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the line; validation has run by then."""
        seconds = time.perf_counter() - self._started
        values = trainer.callback_metrics
        parts = []
        for split in ("train", "validation"):
            shown = [
                f"{name} {float(values[f'{split}/{name}']):.4f}"
                for name in ("loss", "accuracy")
                if f"{split}/{name}" in values
            ]
            if shown:
                parts.append(f"{split}: {', '.join(shown)}")
        epochs = f"{trainer.current_epoch + 1:>{len(str(trainer.max_epochs))}}/{trainer.max_epochs}"
        self.write(f"epoch {epochs}  {'  '.join(parts)}  ({seconds:.1f} s)")
