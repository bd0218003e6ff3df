"""Converts the steps and epochs of a stage to those of its run: every stage has a trainer that counts from 0.

What a run logs counts epochs through all stages, and from 1, as its console, its summary and its report do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class StageOffset:
    """Counts the steps and epochs of the stages that have ended.

    All loggers of a run share one, so that steps and epochs grow through the stages in each of them.

    Attributes:
        steps: Steps of all earlier stages.
        epochs: Epochs of all earlier stages.
    """

    steps: int = 0
    epochs: int = 0

    def step(self, step: int | None) -> int | None:
        """Return the run's step for ``step`` of the current stage; None for None."""
        return None if step is None else step + self.steps

    def metrics(self, metrics: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return ``metrics`` with the stage's epoch, counted from 0, replaced by the run's, counted from 1."""
        if "epoch" in metrics:
            return {**metrics, "epoch": metrics["epoch"] + self.epochs + 1}
        return metrics
