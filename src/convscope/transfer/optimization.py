"""The optimizer and the learning-rate schedule of a stage: every trainable parameter once, in a named group."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from convscope.composition.instantiation import (
    build_target,
    call_with_named,
    find_object,
    signature_of,
)
from convscope.config.optimization import OPTIMIZERS, SCHEDULES
from convscope.config.target import TargetConfig
from convscope.config.transfer import StageConfig
from convscope.errors import UserError, reason_of


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

    Args:
        network: The network that holds the parameters.
        stage: Names the optimizer, and has its momentum.
        groups: The parameters to train.
        fused: Whether the optimizer may use one kernel for all tensors, on a CPU too, if it has one.

    Raises:
        UserError: The user's own optimizer cannot be built, or is none.
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
    settings = stage.optimizer
    if isinstance(settings, TargetConfig):
        optimizer = build_target(OPTIMIZERS.key, settings, parameter_groups)
    else:
        optimizer = call_with_named(
            OPTIMIZERS.builder(settings.name), settings=settings, groups=parameter_groups, stage=stage, fused=fused
        )
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise UserError(f"{OPTIMIZERS.key}: returns {type(optimizer).__name__}, and no torch.optim.Optimizer")
    return optimizer


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

    It is a linear warm-up, then the schedule.

    Raises:
        UserError: The user's own schedule cannot be built, or returns no number.
    """
    settings = stage.schedule
    if isinstance(settings, TargetConfig):
        schedule = build_target(SCHEDULES.key, settings)
        _check_own_schedule(settings.target, schedule)
    else:
        schedule = call_with_named(SCHEDULES.builder(settings.name), settings=settings, stage=stage)
        if SCHEDULES.is_added(settings.name):
            _check_own_schedule(settings.name, schedule)
    warmup_steps = math.ceil(stage.warmup * steps)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)
        return float(schedule(min(1.0, (step - warmup_steps) / max(1, steps - warmup_steps))))

    return factor


def _check_own_schedule(name: str, schedule: Any) -> None:
    """Refuse what is no function from the share of the steps that are done, 0 to 1, to a factor."""
    try:
        for share in (0.0, 0.5, 1.0):
            float(schedule(share))
    except Exception as error:
        raise UserError(
            f"{SCHEDULES.key}: {name} must return a function from the share of the steps that are done, 0 "
            f"to 1, to a factor of the learning rate ({reason_of(error)})"
        ) from error


def build_lr_scheduler(optimizer: torch.optim.Optimizer, stage: StageConfig, steps: int) -> LRScheduler:
    """Return the schedule of ``stage`` for ``steps`` steps, as a scheduler that is stepped after each of them.

    A schedule of the user's own is either a scheduler of PyTorch, whose first argument is the optimizer, and which gets
    the number of steps where its signature has ``total_steps``, ``T_max`` or the like; or a function that returns a
    factor of the learning rate for the share of the steps after the warm-up that are done.

    Raises:
        UserError: The user's own schedule cannot be built.
    """
    settings = stage.schedule
    if not isinstance(settings, TargetConfig) or not takes_optimizer(settings):
        return LambdaLR(optimizer, lr_factor(stage, steps))
    scheduler = build_target(SCHEDULES.key, settings, optimizer, offered=dict.fromkeys(STEP_ARGUMENTS, steps))
    if not isinstance(scheduler, LRScheduler):
        raise UserError(f"{SCHEDULES.key}: returns {type(scheduler).__name__}, and no learning-rate scheduler")
    if isinstance(scheduler, ReduceLROnPlateau):
        raise UserError(
            f"{SCHEDULES.key}: {settings.target} waits for a metric, and a schedule here is stepped after each batch; "
            "transfer.patience=N ends a stage whose metric no longer improves"
        )
    return scheduler


# What schedulers call the number of all steps.
STEP_ARGUMENTS = ("total_steps", "T_max", "total_iters", "num_training_steps", "t_initial")


def takes_optimizer(settings: TargetConfig) -> bool:
    """Return whether the first argument of the user's own schedule is an optimizer."""
    signature = signature_of(find_object(SCHEDULES.key, settings.target))
    return signature is not None and next(iter(signature.parameters), None) == "optimizer"
