"""Settings of ``task``: the loss, further metrics, mixing augmentations, and averages."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat

from convscope.config.base import Config
from convscope.config.named import NamedConfig
from convscope.config.registry import Registry
from convscope.config.target import TargetConfig

LOSSES = Registry("task.loss", target=TargetConfig, by_name=True)
METRICS = Registry("task.metrics.NAME", target=TargetConfig, by_name=True)


@LOSSES.option("cross_entropy", builds="convscope.tasks.losses:CrossEntropy")
class CrossEntropyConfig(NamedConfig):
    """Cross-entropy, with ``task.label_smoothing`` and ``data.class_weights``."""


class TaskConfig(Config):
    """The classification loss, mixing augmentations, weight averaging and test-time augmentation."""

    loss: Annotated[NamedConfig | TargetConfig, LOSSES]
    metrics: dict[str, Annotated[NamedConfig | TargetConfig, METRICS]]
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)]
    mixup: NonNegativeFloat
    cutmix: NonNegativeFloat
    ema: Annotated[float, Field(ge=0.0, lt=1.0)]
    flip_averaging: bool
