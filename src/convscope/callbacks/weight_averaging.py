"""An exponential moving average of the weights, warmed up so that short trainings profit too."""

import torch
from pytorch_lightning.callbacks import WeightAveraging


class WarmedAverage(WeightAveraging):
    """Validates, tests and keeps averaged weights (Polyak & Juditsky 1992, as an exponential average).

    After n updates the decay is min(``decay``, (1 + n) / (10 + n)): a fixed one would hold on to the initial
    weights for the first few 1 / (1 - decay) steps.

    Args:
        decay: Share of the average that each step keeps, such as 0.999.
    """

    def __init__(self, decay: float) -> None:
        def average(averaged: torch.Tensor, current: torch.Tensor, updates: torch.Tensor | int) -> torch.Tensor:
            if not averaged.is_floating_point():
                return current.clone()
            n = int(updates)
            return torch.lerp(current, averaged, min(decay, (1 + n) / (10 + n)))

        super().__init__(use_buffers=True, avg_fn=average)
