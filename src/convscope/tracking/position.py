"""Where in its run a stage begins: every stage has a trainer of its own, which counts from 0."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class Position:
    """What the earlier stages have done. The loggers of a run share one, so that steps and epochs grow in all."""

    steps: int = 0
    epochs: int = 0

    def step(self, step: int | None) -> int | None:
        """The run's step for a stage's."""
        return None if step is None else step + self.steps

    def metrics(self, metrics: Mapping[str, Any]) -> Mapping[str, Any]:
        """``metrics`` with the run's epoch for a stage's."""
        if self.epochs and "epoch" in metrics:
            return {**metrics, "epoch": metrics["epoch"] + self.epochs}
        return metrics
