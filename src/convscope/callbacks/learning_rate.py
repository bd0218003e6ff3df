"""The learning rate, logged as a curve like the loss."""

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback


class LearningRateLog(Callback):
    """Logs ``learning_rate``, that of the first parameter group.

    It is logged at the first step of each epoch, and then as often as the loss.
    """

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Log the learning rate of the coming step."""
        step = trainer.global_step
        if batch_idx == 0 or (step + 1) % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            for logger in trainer.loggers:
                logger.log_metrics({"learning_rate": rate, "epoch": trainer.current_epoch}, step=step)
