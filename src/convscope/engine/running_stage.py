"""A stage while it is trained, and its result."""

from dataclasses import dataclass

import pytorch_lightning as pl

from convscope.callbacks.checkpoints import BestAndLastCheckpoint
from convscope.callbacks.time_spent import TimeSpent
from convscope.engine.finished_stages import StageResult, seconds_of_stage
from convscope.engine.hardware import Hardware
from convscope.engine.prepared_stages import PreparedStage


@dataclass(frozen=True)
class RunningStage:
    """A stage while it is trained.

    Attributes:
        number: Number of the stage, from 0.
        prepared: What it trains, and where the network is cut.
        hardware: Hardware settings for what it trains: the whole network, or the rest that follows cached features.
        cached: Whether it trains on cached features.
    """

    number: int
    prepared: PreparedStage
    hardware: Hardware
    cached: bool

    def result(self, trainer: pl.Trainer, time_spent: TimeSpent) -> StageResult:
        """Return the result of what ``trainer`` has trained so far, with the seconds until now."""
        time_spent.count()
        plan = self.prepared.plan
        no_room = None if self.cached else "there is no room for the features"
        own = (callback for callback in trainer.checkpoint_callbacks if isinstance(callback, BestAndLastCheckpoint))
        kept = next(own, None)  # none with trainer.fast_dev_run
        return StageResult(
            name=plan.stage.name,
            epochs=trainer.current_epoch,
            steps=trainer.global_step,
            trainable_parameters=plan.count,
            learning_rate=plan.stage.lr,
            cached=self.cached,
            why_not_cached=self.prepared.why_not_cached or no_room,
            precision=self.hardware.precision,
            **seconds_of_stage(time_spent, self.number),
            best=None if kept is None else kept.best,
            best_epoch=None if kept is None else kept.best_epoch,
        )
