"""The optimizer and the learning-rate schedule of a stage: every trainable parameter once, in a named group."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from convscope.config.transfer import StageConfig


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters, by name, that share a learning rate and a weight decay; ``name`` says which blocks they are of."""

    name: str
    parameters: tuple[str, ...]
    lr: float
    weight_decay: float


def build_optimizer(
    network: nn.Module, stage: StageConfig, groups: Sequence[ParameterGroup], fused: bool = True
) -> torch.optim.Optimizer:
    """Return the optimizer of ``stage`` over ``groups``, each with its own learning rate and weight decay.

    - ``adamw``: Loshchilov & Hutter 2019, algorithm 2.
    - ``sgd``: with Nesterov's momentum.
    - ``muon``: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks": the momentum of a
      weight, as a matrix with one row per output, is replaced by the nearest matrix with orthogonal rows or columns.
      It is scaled as in Liu et al. 2025, "Muon is scalable for LLM training", eq. 4, so that the learning rates of
      AdamW suit it. Vectors, and matrices too thin for it, are trained with AdamW.

    Args:
        network: The network that holds the parameters.
        stage: Names the optimizer, and has its momentum.
        groups: The parameters to train.
        fused: Whether to use one kernel for all tensors, on a CPU too; ``muon`` has no such kernel.
    """
    parameters = dict(network.named_parameters())
    parameter_groups = [
        {
            "name": group.name,
            "params": [parameters[name] for name in group.parameters],
            "lr": group.lr,
            "weight_decay": group.weight_decay,
        }
        for group in groups
    ]
    match stage.optimizer:
        case "adamw":
            return torch.optim.AdamW(parameter_groups, fused=fused)
        case "sgd":
            nesterov = stage.momentum > 0
            return torch.optim.SGD(parameter_groups, momentum=stage.momentum, nesterov=nesterov, fused=fused)
        case "muon":
            from convscope.lean_timm import Muon

            return Muon(parameter_groups, momentum=stage.momentum, nesterov=True)


def split_by_decay(
    network: nn.Module, name: str, parameters: Sequence[str], lr: float, weight_decay: float
) -> list[ParameterGroup]:
    """Split ``parameters`` (names) into those with and those without weight decay; an empty group is left out.

    Vectors (biases, the scales of normalisations) have no weight decay: it would change the function that they
    compute without limiting the network's capacity.
    """
    dimensions = {key: value.ndim for key, value in network.named_parameters()}
    groups = [
        ParameterGroup(f"{name}/decayed", tuple(p for p in parameters if dimensions[p] > 1), lr, weight_decay),
        ParameterGroup(f"{name}/not_decayed", tuple(p for p in parameters if dimensions[p] <= 1), lr, 0.0),
    ]
    return [group for group in groups if group.parameters]


def lr_factor(stage: StageConfig, steps: int) -> Callable[[int], float]:
    """Return the function from each of ``steps`` steps to the factor of the learning rate there.

    It is a linear warm-up, then the schedule. ``cosine`` (Loshchilov & Hutter 2017, eq. 5, one cycle) ends at 0 after
    the last step; ``step`` multiplies by ``step_factor`` at each whole multiple of ``step_every``.
    """
    warmup_steps = math.ceil(stage.warmup * steps)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)
        progress = min(1.0, (step - warmup_steps) / max(1, steps - warmup_steps))
        match stage.schedule:
            case "cosine":
                return 0.5 * (1.0 + math.cos(math.pi * progress))
            case "step":
                # A product such as 3 · 0.3333 is just below 1: the last step must not be a drop.
                return stage.step_factor ** math.floor(min(progress, 1.0 - 1e-9) / stage.step_every + 1e-6)
        return 1.0

    return factor


def build_lr_scheduler(optimizer: torch.optim.Optimizer, stage: StageConfig, steps: int) -> LambdaLR:
    """Return ``lr_factor`` as a scheduler that is stepped after each optimizer step."""
    return LambdaLR(optimizer, lr_factor(stage, steps))
