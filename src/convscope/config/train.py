"""Settings of ``convscope train``."""

import os
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from convscope.config.base import Config
from convscope.config.data import DataConfig
from convscope.config.launcher import LauncherConfig
from convscope.config.model import ModelConfig
from convscope.config.saliency import Methods, refuse_methods_for_images
from convscope.config.sweep import SweepConfig
from convscope.config.text_data import TextsConfig
from convscope.config.transfer import TransferConfig

Seed = Annotated[int, Field(ge=0, lt=2**32)]


class TaskConfig(Config):
    """The classification loss, mixing augmentations, weight averaging and test-time augmentation."""

    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)]
    mixup: NonNegativeFloat
    cutmix: NonNegativeFloat
    ema: Annotated[float, Field(ge=0.0, lt=1.0)]
    flip_averaging: bool


class CacheConfig(Config):
    """How the feature maps of a frozen network are cached."""

    features: bool
    precision: Literal["fp32", "bf16"]
    limit_gib: PositiveFloat


class TrainerConfig(Config):
    """The hardware, the precision of the arithmetic, and limits on the training."""

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


class AutoLoggerConfig(Config):
    """wandb if an API key is configured, otherwise TensorBoard."""

    project: str


class WandbConfig(Config):
    """Settings of Weights & Biases."""

    project: str
    entity: str | None
    mode: Literal["auto", "offline", "online"]


class MLflowConfig(Config):
    """Settings of MLflow."""

    experiment: str
    uri: str | None


class NoSettings(Config):
    """A tracker that needs no settings."""


class LoggerConfig(Config):
    """The trackers of a training: those whose key is set."""

    auto: AutoLoggerConfig | None = None
    csv: NoSettings | None = None
    tensorboard: NoSettings | None = None
    wandb: WandbConfig | None = None
    mlflow: MLflowConfig | None = None

    @property
    def names(self) -> list[str]:
        """The names of the trackers, in the order of the fields of this class."""
        return list(self.model_dump(exclude_none=True))

    def settings(self, outputs: str) -> dict[str, Any]:
        """Return the settings of all trackers, as keyword arguments of ``build_loggers``.

        Args:
            outputs: The folder of all runs, which holds MLflow's database if no server is named.
        """
        project = (self.wandb or self.auto or AutoLoggerConfig(project="convscope")).project
        uri = (self.mlflow.uri if self.mlflow else None) or os.environ.get("MLFLOW_TRACKING_URI")
        return {
            "project": self.mlflow.experiment if self.mlflow and not self.wandb else project,
            "entity": self.wandb.entity if self.wandb else None,
            "wandb_mode": self.wandb.mode if self.wandb else "auto",
            "mlflow_uri": uri or f"sqlite:///{outputs}/mlflow.db",
        }


class TrainConfig(Config):
    """All settings of one training: ``convscope train``."""

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
    def _methods_fit_the_data(self) -> Self:
        if isinstance(self.data, TextsConfig) and self.callbacks.saliency is not None:
            refuse_methods_for_images("callbacks.saliency.methods", self.callbacks.saliency.methods or ())
        return self
