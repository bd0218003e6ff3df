"""Settings of ``callbacks``: checkpoints, logging, figures and analyses of a training, and callbacks of one's own."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from convscope.config.base import Config
from convscope.config.named import NamedConfig
from convscope.config.registry import Registry
from convscope.config.saliency import Methods
from convscope.config.target import TargetConfig

CALLBACKS = Registry("callbacks.extra.NAME", target=TargetConfig, by_name=True)


class CheckpointConfig(Config):
    """Which weights count as the best, and how often the state of the training is saved."""

    monitor: str
    mode: Literal["min", "max"]
    every_seconds: NonNegativeFloat


class EarlyStoppingConfig(Config):
    """When training ends before its last epoch."""

    monitor: str
    mode: Literal["min", "max"]
    patience: PositiveInt
    min_delta: NonNegativeFloat


class SaliencyConfig(Config):
    """Saliency maps of fixed images or texts at the end of every stage, and every few epochs."""

    methods: Methods | None
    images: Annotated[int, Field(ge=1, le=100)]
    every_epochs: PositiveInt | None


class AnalysisConfig(Config):
    """Which parts the analysis after the test has; 0 leaves a part out."""

    methods: Methods
    mistakes: Annotated[int, Field(ge=0, le=100)]
    units: Annotated[int, Field(ge=0, le=100)]
    patches: Annotated[int, Field(ge=1, le=25)]
    searched: PositiveInt
    layers: Annotated[int, Field(ge=0, le=50)]
    faithfulness: NonNegativeInt
    curve_steps: PositiveInt


class CallbacksConfig(Config):
    """Checkpoints, logging, figures and analyses of a training."""

    checkpoint: CheckpointConfig
    early_stopping: EarlyStoppingConfig | None
    learning_rate: bool
    progress: Literal["auto", "bar", "lines", "none"]
    figures: bool
    saliency: SaliencyConfig | None
    analysis: AnalysisConfig | None
    parameters: bool
    receptive_field: bool
    effective_field: Annotated[int, Field(ge=0, le=256)]
    extra: dict[str, Annotated[NamedConfig | TargetConfig, CALLBACKS]]
