"""An exponential moving average of the weights, warmed up so that short trainings profit too."""

import itertools
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import WeightAveraging
from torch import nn


class WarmupEMA(WeightAveraging):
    """Validates, tests and keeps averaged weights (Polyak & Juditsky 1992, as an exponential average).

    After n updates the decay is min(``decay``, (1 + n) / (10 + n)): a fixed one would hold on to the initial
    weights for the first few 1 / (1 - decay) steps. The first update copies the weights.

    Lightning's own update reads the number of updates from the device and averages tensor by tensor: a GPU would
    wait for the host at every step. This one counts on the host.

    Args:
        decay: Share of the average that each step keeps, such as 0.999.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(use_buffers=True)
        self._decay = decay

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update the average after a step of the optimizer."""
        updates = self._latest_update_step  # each step of the optimizer is one update
        if trainer.global_step == updates:
            return  # gradients were accumulated, and no weight changed
        assert self._average_model is not None
        decay = min(self._decay, (1 + updates) / (10 + updates)) if updates else 0.0
        update_average(self._average_model.module, pl_module, decay)
        self._average_model.n_averaged.add_(1)  # it is saved in the checkpoint
        self._latest_update_step = trainer.global_step


@torch.no_grad()
def update_average(averaged: nn.Module, current: nn.Module, decay: float) -> None:
    """Replace each value of ``averaged`` by decay · value + (1 - decay) · the value of ``current``, in place.

    Both are copies of one module: parameters and floating-point buffers are averaged, other buffers (such as
    BatchNorm's number of batches) are copied. There is one call for all tensors of a type, and no wait for the device.
    """
    groups: dict[torch.dtype, tuple[list[torch.Tensor], list[torch.Tensor]]] = {}
    for mean, value in zip(_tensors(averaged), _tensors(current), strict=True):
        means, values = groups.setdefault(mean.dtype, ([], []))
        means.append(mean)
        values.append(value)
    for dtype, (means, values) in groups.items():
        if dtype.is_floating_point and decay > 0.0:
            torch._foreach_lerp_(means, values, 1.0 - decay)
        else:
            torch._foreach_copy_(means, values)


def _tensors(module: nn.Module) -> "itertools.chain[torch.Tensor]":
    return itertools.chain(module.parameters(), module.buffers())
