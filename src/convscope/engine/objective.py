"""From ``task=...`` to the objective of a training: its loss, its metrics, and its mixing augmentations."""

import inspect
from collections.abc import Callable, Collection
from functools import partial

import torch
from torch import nn
from torchmetrics import Metric
from typing_extensions import override

from convscope.composition.instantiation import (
    build_target,
    call_with_named,
    describe_error,
    find_object,
    named_arguments,
    signature_of,
)
from convscope.config.named import NamedConfig
from convscope.config.target import TargetConfig
from convscope.config.task import LOSSES, METRICS, TaskConfig
from convscope.errors import UserError
from convscope.tasks.metrics import classification_metrics
from convscope.tasks.objective import Objective

# What losses call the weights of the classes, and metrics the number of classes.
WEIGHT_ARGUMENTS = ("weight", "class_weights")
CLASSES_ARGUMENTS = ("num_classes", "classes", "n_classes")


class FunctionLoss(nn.Module):
    """A loss of the user's own that is no module."""

    def __init__(self, function: object) -> None:
        super().__init__()
        self._function = function

    @override
    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        assert callable(self._function)
        loss: torch.Tensor = self._function(logits, targets)
        return loss


def build_objective(task: TaskConfig, class_weights: torch.Tensor | None, classes: int) -> Objective:
    """Return the objective that ``task`` configures, tried on logits of random numbers.

    Args:
        task: The settings.
        class_weights: Weight of each class, (classes,), or None for equal ones.
        classes: Number of classes.

    Raises:
        UserError: A loss or metric of the user's own cannot be built, or returns no number.
    """
    logits, labels = torch.randn(4, classes, generator=torch.Generator().manual_seed(0)), torch.arange(4) % classes
    loss = build_loss(task, class_weights)
    name = task.loss.target if isinstance(task.loss, TargetConfig) else task.loss.name
    if isinstance(task.loss, TargetConfig) or LOSSES.is_added(name):
        soft = nn.functional.one_hot(labels, classes).float() if task.mixup or task.cutmix else labels
        value = _check_number(LOSSES.key, name, lambda: loss(logits.clone().requires_grad_(), soft))
        if not value.requires_grad:
            raise UserError(f"{LOSSES.key}: {name} returns a number without a gradient with respect to the logits")
    metrics = {name: build_metric(name, settings, classes) for name, settings in task.metrics.items()}
    present = {*classification_metrics(classes, "")}
    for metric_name, metric in metrics.items():
        key = METRICS.key.replace("NAME", metric_name)
        if metric_name in (*present, "loss"):
            raise UserError(f"{key}: there is a metric of that name; choose another name")
        _check_number(key, type(metric).__name__, lambda metric=metric: metric.clone()(logits, labels))  # type: ignore[misc]
    return Objective(loss, task.mixup, task.cutmix, task.flip_averaging, metrics)


def build_loss(task: TaskConfig, class_weights: torch.Tensor | None) -> nn.Module:
    """Return the loss that ``task.loss`` names.

    Raises:
        UserError: The user's own loss cannot be built, has parameters, or does not take what other keys set.
    """
    settings = task.loss
    if isinstance(settings, NamedConfig):
        loss: nn.Module = call_with_named(
            LOSSES.builder(settings.name),
            settings=settings,
            class_weights=class_weights,
            label_smoothing=task.label_smoothing,
        )
        return loss
    offered = dict.fromkeys(WEIGHT_ARGUMENTS, class_weights) | {"label_smoothing": task.label_smoothing}
    target = find_object(LOSSES.key, settings.target)
    is_function = is_loss_function(target, settings.arguments)
    for key, value, names in (
        ("data.class_weights=balanced", class_weights is not None, WEIGHT_ARGUMENTS),
        (f"task.label_smoothing={task.label_smoothing}", bool(task.label_smoothing), ("label_smoothing",)),
    ):
        if value and (is_function or not named_arguments(target, dict.fromkeys(names))):
            raise UserError(f"{key}: {settings.target} has no argument {' or '.join(names)}; leave one of the two out")
    own = partial(target, **settings.arguments) if is_function else build_target(LOSSES.key, settings, offered=offered)
    if not callable(own):
        raise UserError(f"{LOSSES.key}: returns {type(own).__name__}, and no loss that can be called")
    module = own if isinstance(own, nn.Module) else FunctionLoss(own)
    if any(parameter.requires_grad for parameter in module.parameters()):
        raise UserError(f"{LOSSES.key}: {settings.target} has parameters, which no stage trains")
    return module


def is_loss_function(target: object, arguments: Collection[str]) -> bool:
    """Return whether ``target`` is a loss itself, such as ``torch.nn.functional.multi_margin_loss``, and no class.

    Without the ``arguments`` that the user gives, it has two without a default then: logits and targets.
    """
    if inspect.isclass(target) or not callable(target):
        return False
    signature = signature_of(target)
    if signature is None:
        return False
    required = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    return len([name for name in required if name not in arguments]) >= 2


def build_metric(name: str, settings: NamedConfig | TargetConfig, classes: int) -> Metric:
    """Return the metric that ``task.metrics.NAME`` names.

    Raises:
        UserError: It cannot be built, or is none.
    """
    key = METRICS.key.replace("NAME", name)
    available = dict.fromkeys(CLASSES_ARGUMENTS, classes)
    if isinstance(settings, NamedConfig):
        metric = call_with_named(METRICS.builder(settings.name), settings=settings, **available)
    else:
        metric = build_target(key, settings, offered=available)
    if not isinstance(metric, Metric):
        raise UserError(f"{key}: returns {type(metric).__name__}, and no torchmetrics.Metric")
    return metric


def _check_number(key: str, name: str, compute: Callable[[], object]) -> torch.Tensor:
    """Return the result of ``compute``; raise UserError if it fails or returns anything but one number."""
    try:
        value = compute()
    except Exception as error:
        raise UserError(
            f"{key}: {name} does not take logits (N, classes) and targets: {describe_error(error)}"
        ) from error
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        shape = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
        raise UserError(f"{key}: {name} must return one number, not {shape}")
    return value
