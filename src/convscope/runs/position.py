"""Where in its run a stage begins: every stage has a trainer of its own, which counts from 0.

What a run logs counts epochs through all stages, and from 1, as its console, its summary and its report do.
"""

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
        """``metrics`` with the run's epoch, counted from 1, for a stage's, counted from 0."""
        if "epoch" in metrics:
            return {**metrics, "epoch": metrics["epoch"] + self.epochs + 1}
        return metrics
