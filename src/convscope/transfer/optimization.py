"""The optimizer and the schedule of a training: every trainable parameter once, in a named group."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR


@dataclass(frozen=True)
class Optimization:
    """Rates and schedule, as ``conf/transfer`` states them.

    ``warmup`` and ``step_every`` are shares of all steps; ``lr`` is the rate after the warm-up.
    """

    lr: float
    optimizer: Literal["adamw", "sgd"] = "adamw"
    momentum: float = 0.9
    weight_decay: float = 0.01
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    step_every: float = 1 / 3
    step_factor: float = 0.1
    warmup: float = 0.0


def build_optimizer(network: nn.Module, told: Optimization, fused: bool = True) -> torch.optim.Optimizer:
    """An optimizer over the parameters that require gradients.

    Vectors (biases, the scales of normalisations) have no weight decay: it would pull them towards a function
    that nobody asked for, and spare no capacity. ``fused`` is one kernel for all tensors, on a CPU too.

    Raises:
        ValueError: Nothing in ``network`` is trainable.
    """
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {
            "name": "decayed",
            "params": [p for p in trainable if p.ndim > 1],
            "weight_decay": told.weight_decay,
        },
        {"name": "not_decayed", "params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if not groups:
        raise ValueError("no parameter requires a gradient: there is nothing to train")
    options: dict[str, Any] = {"lr": told.lr, "fused": fused}
    if told.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=told.momentum, nesterov=told.momentum > 0, **options)
    return torch.optim.AdamW(groups, **options)


def rate_factor(told: Optimization, steps: int) -> Callable[[int], float]:
    """The factor of the rate at each of ``steps`` steps: a linear warm-up, then the schedule.

    Cosine (Loshchilov & Hutter 2017, eq. 5, one cycle) ends at 0 after the last step; ``step`` multiplies by
    ``step_factor`` at each whole multiple of ``step_every``.
    """
    warm = math.ceil(told.warmup * steps)

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / (warm + 1)
        progress = min(1.0, (step - warm) / max(1, steps - warm))
        match told.schedule:
            case "cosine":
                return 0.5 * (1.0 + math.cos(math.pi * progress))
            case "step":
                # A product such as 3 · 0.3333 falls just short of 1: the last step is no drop.
                return told.step_factor ** math.floor(min(progress, 1.0 - 1e-9) / told.step_every + 1e-6)
        return 1.0

    return factor


def build_schedule(optimizer: torch.optim.Optimizer, told: Optimization, steps: int) -> LambdaLR:
    """``rate_factor`` as a scheduler that is stepped after each optimizer step."""
    return LambdaLR(optimizer, rate_factor(told, steps))
