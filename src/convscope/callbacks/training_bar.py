"""A bar for each stage on a terminal: how far the training is, and how long it will take."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

UPDATES = 8  # a second


class TrainingBar(Callback):
    """Shows the stage, its epoch, the batches of all its epochs, and the time that is left of it; then the test.

    It draws on the console that prints the lines of the epochs, so that they stand above it, and leaves nothing behind.

    Args:
        stage: Its name.
        console: Gives the terminal.
        first_epoch: Epochs of the earlier stages: they are counted through the run.
    """

    def __init__(self, stage: str, console: "Callable[[], Console]", first_epoch: int = 0) -> None:
        self.stage, self.console, self.first_epoch = stage, console, first_epoch
        self._shown: tuple[Progress, TaskID] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin where the stage does, or where it is resumed."""
        batches, epochs = trainer.num_training_batches, trainer.max_epochs or 0
        if isinstance(batches, int) and epochs > 0:
            self._begin(self.stage, batches * epochs, batches * trainer.current_epoch)
        else:
            self._begin(self.stage, None, 0)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell the epoch."""
        self._update(description=self._epoch(trainer))

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """One more."""
        self._update(advance=1)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The bar stands still for a while."""
        self._update(description=f"{self._epoch(trainer)}, validating")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """It goes on."""
        self._update(description=self._epoch(trainer))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """What the other callbacks do now takes its time, too."""
        self._update(description=f"{self.stage}: looking into the network")

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The test has a bar of its own."""
        batches = trainer.num_test_batches[0] if trainer.num_test_batches else None
        self._begin("test", batches if isinstance(batches, int) else None, 0)

    def on_test_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """One more."""
        self._update(advance=1)

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Make room for the bar of what comes next."""
        self._end()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Give the terminal back."""
        self._end()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Give the terminal back."""
        self._end()

    def _epoch(self, trainer: pl.Trainer) -> str:
        first = self.first_epoch
        return f"{self.stage}: epoch {first + trainer.current_epoch + 1}/{first + (trainer.max_epochs or 0)}"

    def _begin(self, description: str, total: int | None, done: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._end()
        shown = Progress(
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
        self._shown = (shown, shown.add_task(description, total=total, completed=done))
        shown.start()

    def _update(self, **changes: Any) -> None:
        if self._shown is not None:
            progress, task = self._shown
            progress.update(task, **changes, refresh="description" in changes)  # a new word is read at once

    def _end(self) -> None:
        if self._shown is not None:
            self._shown[0].stop()
            self._shown = None
