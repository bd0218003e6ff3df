"""``train``: everything that one training can be told."""

import os
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from convscope.config.base import Config
from convscope.config.data import DataConfig
from convscope.config.model import ModelConfig
from convscope.config.saliency import Methods, refuse_methods_for_images
from convscope.config.sweep import LauncherConfig, SweepConfig
from convscope.config.text_data import TextsConfig
from convscope.config.transfer import TransferConfig

Seed = Annotated[int, Field(ge=0, lt=2**32)]


class TaskConfig(Config):
    """The objective of the classification."""

    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)]
    mixup: NonNegativeFloat
    cutmix: NonNegativeFloat
    ema: Annotated[float, Field(ge=0.0, lt=1.0)]
    flip_averaging: bool


class CacheConfig(Config):
    """What is kept of a frozen network's work."""

    features: bool
    precision: Literal["fp32", "bf16"]
    limit_gib: PositiveFloat


class TrainerConfig(Config):
    """Where and how the arithmetic is done."""

    accelerator: Literal["auto", "cpu", "gpu", "mps"]
    devices: PositiveInt | Literal["auto"]
    nodes: PositiveInt
    precision: Literal["auto", "fp32", "bf16", "fp16"]
    channels_last: Literal["auto"] | bool
    compile: bool
    allocator: Literal["tuned", "system"]
    threads: PositiveInt | None
    gradient_clip: NonNegativeFloat
    accumulate_grad_batches: PositiveInt
    max_epochs: PositiveInt | None
    fast_dev_run: NonNegativeInt
    overfit_batches: NonNegativeInt
    profiler: Literal["simple", "advanced"] | None


class CheckpointConfig(Config):
    """Which weights are kept, and how often the state of the training is."""

    monitor: str
    mode: Literal["min", "max"]
    every_seconds: NonNegativeFloat


class EarlyStoppingConfig(Config):
    """When a training ends before its last epoch."""

    monitor: str
    mode: Literal["min", "max"]
    patience: PositiveInt
    min_delta: NonNegativeFloat


class SaliencyConfig(Config):
    """Maps of fixed images or texts at the end of every stage, and every few epochs."""

    methods: Methods | None
    images: Annotated[int, Field(ge=1, le=100)]
    every_epochs: PositiveInt | None


class AnalysisConfig(Config):
    """What is looked at after the test; 0 leaves a part out."""

    methods: Methods
    mistakes: Annotated[int, Field(ge=0, le=100)]
    units: Annotated[int, Field(ge=0, le=100)]
    patches: Annotated[int, Field(ge=1, le=25)]
    searched: PositiveInt
    layers: Annotated[int, Field(ge=0, le=50)]
    faithfulness: NonNegativeInt
    curve_steps: PositiveInt


class CallbacksConfig(Config):
    """What happens beside the training."""

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


class AutoLoggerConfig(Config):
    """wandb where a key is configured, else TensorBoard."""

    project: str


class WandbConfig(Config):
    """Weights & Biases."""

    project: str
    entity: str | None
    mode: Literal["auto", "offline", "online"]


class MLflowConfig(Config):
    """MLflow."""

    experiment: str
    uri: str | None


class NoSettings(Config):
    """A tracker that needs no settings."""


class LoggerConfig(Config):
    """The trackers that are on: the keys that are there."""

    auto: AutoLoggerConfig | None = None
    csv: NoSettings | None = None
    tensorboard: NoSettings | None = None
    wandb: WandbConfig | None = None
    mlflow: MLflowConfig | None = None

    @property
    def names(self) -> list[str]:
        """Names of the trackers, in the order of this class."""
        return list(self.model_dump(exclude_none=True))

    def settings(self, outputs: str) -> dict[str, Any]:
        """What the trackers were told, as keyword arguments of ``build_loggers``."""
        project = (self.wandb or self.auto or AutoLoggerConfig(project="convscope")).project
        uri = (self.mlflow.uri if self.mlflow else None) or os.environ.get("MLFLOW_TRACKING_URI")
        return {
            "project": self.mlflow.experiment if self.mlflow and not self.wandb else project,
            "entity": self.wandb.entity if self.wandb else None,
            "wandb_mode": self.wandb.mode if self.wandb else "auto",
            "mlflow_uri": uri or f"sqlite:///{outputs}/mlflow.db",
        }


class TrainConfig(Config):
    """A training: ``convscope train``."""

    model: ModelConfig
    data: DataConfig
    transfer: TransferConfig
    task: TaskConfig
    cache: CacheConfig
    trainer: TrainerConfig
    callbacks: CallbacksConfig
    logger: LoggerConfig
    sweep: SweepConfig
    launcher: LauncherConfig
    seed: Seed
    outputs: str
    folder: str | None
    resume: str | None
    group: str | None
    tags: list[str]
    quiet: bool

    @model_validator(mode="after")
    def _methods_suit_the_data(self) -> Self:
        if isinstance(self.data, TextsConfig) and self.callbacks.saliency is not None:
            refuse_methods_for_images("callbacks.saliency.methods", self.callbacks.saliency.methods or ())
        return self
