"""The optimizer and the schedule of a training: every trainable parameter once, in a named group."""

import math
from collections.abc import Callable, Sequence
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
    optimizer: Literal["adamw", "sgd", "muon"] = "adamw"
    momentum: float = 0.9
    weight_decay: float = 0.01
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    step_every: float = 1 / 3
    step_factor: float = 0.1
    warmup: float = 0.0


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that share a rate and a decay; ``name`` tells whose they are."""

    name: str
    parameters: tuple[str, ...]
    lr: float
    weight_decay: float


def build_optimizer(
    network: nn.Module, optimization: Optimization, groups: Sequence[ParameterGroup] | None = None, fused: bool = True
) -> torch.optim.Optimizer:
    """An optimizer over ``groups``, or over all parameters that require gradients, at one rate.

    - ``adamw``: Loshchilov & Hutter 2019, algorithm 2.
    - ``sgd``: with Nesterov's momentum.
    - ``muon``: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks": the momentum of a
      weight, as a matrix of a row for each output, is replaced by the nearest matrix with orthogonal rows or columns.
      Scaled as by Liu et al. 2025, "Muon is scalable for LLM training", eq. 4, so that the rates of AdamW suit it.
      Vectors, and matrices too thin for it, go by AdamW.

    ``fused`` is one kernel for all tensors, on a CPU too; ``muon`` has none.

    Raises:
        ValueError: Nothing in ``network`` is trainable.
    """
    parameters = dict(network.named_parameters())
    if groups is None:
        trainable = [name for name, parameter in parameters.items() if parameter.requires_grad]
        groups = split_by_decay(network, "", trainable, optimization.lr, optimization.weight_decay)
    if not groups:
        raise ValueError("no parameter requires a gradient: there is nothing to train")
    described = [
        {
            "name": group.name,
            "params": [parameters[name] for name in group.parameters],
            "lr": group.lr,
            "weight_decay": group.weight_decay,
        }
        for group in groups
    ]
    if optimization.optimizer == "muon":
        from convscope.lean_timm import Muon

        return Muon(described, lr=optimization.lr, momentum=optimization.momentum, nesterov=True)
    options: dict[str, Any] = {"lr": optimization.lr, "fused": fused}
    if optimization.optimizer == "sgd":
        return torch.optim.SGD(described, momentum=optimization.momentum, nesterov=optimization.momentum > 0, **options)
    return torch.optim.AdamW(described, **options)


def split_by_decay(
    network: nn.Module, name: str, parameters: Sequence[str], lr: float, weight_decay: float
) -> list[ParameterGroup]:
    """Two groups of ``parameters`` (names), those with weight decay and those without; an empty one is left out.

    Vectors (biases, the scales of normalisations) have no weight decay: it would pull them towards a function
    that nobody asked for, and spare no capacity.
    """
    dimensions = {key: value.ndim for key, value in network.named_parameters()}
    prefix = f"{name}/" if name else ""
    groups = [
        ParameterGroup(f"{prefix}decayed", tuple(p for p in parameters if dimensions[p] > 1), lr, weight_decay),
        ParameterGroup(f"{prefix}not_decayed", tuple(p for p in parameters if dimensions[p] <= 1), lr, 0.0),
    ]
    return [group for group in groups if group.parameters]


def rate_factor(optimization: Optimization, steps: int) -> Callable[[int], float]:
    """The factor of the rate at each of ``steps`` steps: a linear warm-up, then the schedule.

    Cosine (Loshchilov & Hutter 2017, eq. 5, one cycle) ends at 0 after the last step; ``step`` multiplies by
    ``step_factor`` at each whole multiple of ``step_every``.
    """
    warm = math.ceil(optimization.warmup * steps)

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / (warm + 1)
        progress = min(1.0, (step - warm) / max(1, steps - warm))
        match optimization.schedule:
            case "cosine":
                return 0.5 * (1.0 + math.cos(math.pi * progress))
            case "step":
                # A product such as 3 · 0.3333 falls just short of 1: the last step is no drop.
                return optimization.step_factor ** math.floor(
                    min(progress, 1.0 - 1e-9) / optimization.step_every + 1e-6
                )
        return 1.0

    return factor


def build_schedule(optimizer: torch.optim.Optimizer, optimization: Optimization, steps: int) -> LambdaLR:
    """``rate_factor`` as a scheduler that is stepped after each optimizer step."""
    return LambdaLR(optimizer, rate_factor(optimization, steps))
