"""A progress bar for each stage on a terminal: how far the training is, and how long it will take."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from typing_extensions import override

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

UPDATES = 8  # a second


class TrainingBar(Callback):
    """Progress bar of a stage (epoch, batches of all its epochs, remaining time), or of the test.

    The bar is drawn on the console that prints the lines of the epochs, so that they appear above it, and is erased at
    the end.

    Args:
        stage: Name of the stage.
        console: Returns the terminal.
        first_epoch: Number of epochs of the earlier stages: epochs are counted through the run.
    """

    def __init__(self, stage: str, console: "Callable[[], Console]", first_epoch: int = 0) -> None:
        self.stage, self.console, self.first_epoch = stage, console, first_epoch
        self._bar: tuple[Progress, TaskID] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the bar, from the start of the stage or from where it is resumed."""
        batches, epochs = trainer.num_training_batches, trainer.max_epochs or 0
        if isinstance(batches, int) and epochs > 0:
            self._begin(self.stage, batches * epochs, batches * trainer.current_epoch)
        else:
            self._begin(self.stage, None, 0)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the number of the epoch."""
        self._update(description=self._epoch(trainer))

    @override
    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self._update(advance=1)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show that the validation runs, while the bar stands still."""
        self._update(description=f"{self._epoch(trainer)}, validating")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the epoch again."""
        self._update(description=self._epoch(trainer))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show that the other callbacks analyse the network, which takes time too."""
        self._update(description=f"{self.stage}: analysing the network")

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show a bar for the test."""
        batches = trainer.num_test_batches[0] if trainer.num_test_batches else None
        self._begin("test", batches if isinstance(batches, int) else None, 0)

    @override
    def on_test_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self._update(advance=1)

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remove the bar, to make room for that of the analysis."""
        self._end()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Remove the bar, to leave the terminal as it was."""
        self._end()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Remove the bar, to leave the terminal as it was."""
        self._end()

    def _epoch(self, trainer: pl.Trainer) -> str:
        first = self.first_epoch
        return f"{self.stage}: epoch {first + trainer.current_epoch + 1}/{first + (trainer.max_epochs or 0)}"

    def _begin(self, description: str, total: int | None, done: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._end()
        progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("batches"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=self.console(),
            refresh_per_second=UPDATES,
            transient=True,
        )
        self._bar = (progress, progress.add_task(description, total=total, completed=done))
        progress.start()

    def _update(self, **changes: Any) -> None:
        if self._bar is not None:
            progress, task = self._bar
            progress.update(task, **changes, refresh="description" in changes)  # a new description is shown at once

    def _end(self) -> None:
        if self._bar is not None:
            self._bar[0].stop()
            self._bar = None
