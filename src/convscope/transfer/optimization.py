"""The optimizer and the learning-rate schedule of a stage: every trainable parameter once, in a named group."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR


@dataclass(frozen=True)
class Optimization:
    """Settings of the optimizer and the learning-rate schedule, as in ``conf/transfer``.

    Attributes:
        lr: Learning rate after the warm-up.
        optimizer: Name of the optimizer; see ``build_optimizer``.
        momentum: Momentum of ``sgd`` and ``muon``.
        weight_decay: Weight decay of matrices and kernels; vectors have none.
        schedule: Name of the schedule after the warm-up; see ``rate_factor``.
        step_every: For ``step``: interval between two drops, as a fraction of the steps after the warm-up.
        step_factor: For ``step``: factor of the learning rate at each drop.
        warmup: Length of the linear warm-up, as a fraction of all steps.
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
    """Parameters, by name, that share a learning rate and a weight decay; ``name`` says which blocks they are of."""

    name: str
    parameters: tuple[str, ...]
    lr: float
    weight_decay: float


def build_optimizer(
    network: nn.Module, optimization: Optimization, groups: Sequence[ParameterGroup] | None = None, fused: bool = True
) -> torch.optim.Optimizer:
    """Return an optimizer over ``groups``, or over all parameters that require gradients, at one learning rate.

    - ``adamw``: Loshchilov & Hutter 2019, algorithm 2.
    - ``sgd``: with Nesterov's momentum.
    - ``muon``: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks": the momentum of a
      weight, as a matrix with one row per output, is replaced by the nearest matrix with orthogonal rows or columns.
      It is scaled as in Liu et al. 2025, "Muon is scalable for LLM training", eq. 4, so that the learning rates of
      AdamW suit it. Vectors, and matrices too thin for it, are trained with AdamW.

    Args:
        network: The network that holds the parameters.
        optimization: Settings of the optimizer.
        groups: Parameter groups; None for all trainable parameters.
        fused: Whether to use one kernel for all tensors, on a CPU too; ``muon`` has no such kernel.

    Raises:
        ValueError: Nothing in ``network`` is trainable.
    """
    parameters = dict(network.named_parameters())
    if groups is None:
        trainable = [name for name, parameter in parameters.items() if parameter.requires_grad]
        groups = split_by_decay(network, "", trainable, optimization.lr, optimization.weight_decay)
    if not groups:
        raise ValueError("no parameter requires a gradient: there is nothing to train")
    parameter_groups = [
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

        return Muon(parameter_groups, lr=optimization.lr, momentum=optimization.momentum, nesterov=True)
    options: dict[str, Any] = {"lr": optimization.lr, "fused": fused}
    if optimization.optimizer == "sgd":
        return torch.optim.SGD(
            parameter_groups, momentum=optimization.momentum, nesterov=optimization.momentum > 0, **options
        )
    return torch.optim.AdamW(parameter_groups, **options)


def split_by_decay(
    network: nn.Module, name: str, parameters: Sequence[str], lr: float, weight_decay: float
) -> list[ParameterGroup]:
    """Split ``parameters`` (names) into those with and those without weight decay; an empty group is left out.

    Vectors (biases, the scales of normalisations) have no weight decay: it would change the function that they
    compute without limiting the network's capacity.
    """
    dimensions = {key: value.ndim for key, value in network.named_parameters()}
    prefix = f"{name}/" if name else ""
    groups = [
        ParameterGroup(f"{prefix}decayed", tuple(p for p in parameters if dimensions[p] > 1), lr, weight_decay),
        ParameterGroup(f"{prefix}not_decayed", tuple(p for p in parameters if dimensions[p] <= 1), lr, 0.0),
    ]
    return [group for group in groups if group.parameters]


def lr_factor(optimization: Optimization, steps: int) -> Callable[[int], float]:
    """Return the function from each of ``steps`` steps to the factor of the learning rate there.

    It is a linear warm-up, then the schedule. ``cosine`` (Loshchilov & Hutter 2017, eq. 5, one cycle) ends at 0 after
    the last step; ``step`` multiplies by ``step_factor`` at each whole multiple of ``step_every``.
    """
    warmup_steps = math.ceil(optimization.warmup * steps)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)
        progress = min(1.0, (step - warmup_steps) / max(1, steps - warmup_steps))
        match optimization.schedule:
            case "cosine":
                return 0.5 * (1.0 + math.cos(math.pi * progress))
            case "step":
                # A product such as 3 · 0.3333 is just below 1: the last step must not be a drop.
                return optimization.step_factor ** math.floor(
                    min(progress, 1.0 - 1e-9) / optimization.step_every + 1e-6
                )
        return 1.0

    return factor


def build_lr_scheduler(optimizer: torch.optim.Optimizer, optimization: Optimization, steps: int) -> LambdaLR:
    """Return ``rate_factor`` as a scheduler that is stepped after each optimizer step."""
    return LambdaLR(optimizer, lr_factor(optimization, steps))
