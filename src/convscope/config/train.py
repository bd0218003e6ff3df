"""``train``: everything that one training can be told."""

import os
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from convscope.config.base import Config
from convscope.config.data import Data
from convscope.config.model import Model
from convscope.config.saliency import Methods, refuse_methods_for_images
from convscope.config.sweep import Launcher, Sweep
from convscope.config.text_data import Texts
from convscope.config.transfer import Transfer

Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Task(Config):
    """The objective of the classification."""

    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)]
    mixup: NonNegativeFloat
    cutmix: NonNegativeFloat
    ema: Annotated[float, Field(ge=0.0, lt=1.0)]
    flip_averaging: bool


class Cache(Config):
    """What is kept of a frozen network's work."""

    features: bool
    precision: Literal["fp32", "bf16"]
    limit_gib: PositiveFloat


class Trainer(Config):
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
    accumulate: PositiveInt
    max_epochs: PositiveInt | None
    fast_dev_run: NonNegativeInt
    overfit_batches: NonNegativeInt
    profiler: Literal["simple", "advanced"] | None


class Checkpoint(Config):
    """Which weights are kept, and how often the state of the training is."""

    monitor: str
    mode: Literal["min", "max"]
    every_seconds: NonNegativeFloat


class EarlyStopping(Config):
    """When a training ends before its last epoch."""

    monitor: str
    mode: Literal["min", "max"]
    patience: PositiveInt
    min_delta: NonNegativeFloat


class Saliency(Config):
    """Maps of fixed pictures or texts at the end of every stage, and every few epochs."""

    methods: Methods | None
    pictures: Annotated[int, Field(ge=1, le=100)]
    every_epochs: PositiveInt | None


class Looks(Config):
    """What is looked at after the test; 0 leaves a part out."""

    methods: Methods
    mistakes: Annotated[int, Field(ge=0, le=100)]
    units: Annotated[int, Field(ge=0, le=100)]
    patches: Annotated[int, Field(ge=1, le=25)]
    searched: PositiveInt
    layers: Annotated[int, Field(ge=0, le=50)]
    faithfulness: NonNegativeInt
    curve_steps: PositiveInt


class Callbacks(Config):
    """What happens beside the training."""

    checkpoint: Checkpoint
    early_stopping: EarlyStopping | None
    learning_rate: bool
    progress: Literal["auto", "bar", "lines", "none"]
    figures: bool
    saliency: Saliency | None
    looks: Looks | None
    parameters: bool
    receptive_field: bool
    effective_field: Annotated[int, Field(ge=0, le=256)]


class Auto(Config):
    """wandb where a key is configured, else TensorBoard."""

    project: str


class Wandb(Config):
    """Weights & Biases."""

    project: str
    entity: str | None
    mode: Literal["auto", "offline", "online"]


class MLflow(Config):
    """MLflow."""

    experiment: str
    uri: str | None


class Nothing(Config):
    """A tracker that needs no settings."""


class Logger(Config):
    """The trackers that are on: the keys that are there."""

    auto: Auto | None = None
    csv: Nothing | None = None
    tensorboard: Nothing | None = None
    wandb: Wandb | None = None
    mlflow: MLflow | None = None

    @property
    def names(self) -> list[str]:
        """Names of the trackers, in the order of this class."""
        return list(self.model_dump(exclude_none=True))

    def settings(self, outputs: str) -> dict[str, Any]:
        """What the trackers were told, as keyword arguments of ``build_loggers``."""
        project = (self.wandb or self.auto or Auto(project="convscope")).project
        uri = (self.mlflow.uri if self.mlflow else None) or os.environ.get("MLFLOW_TRACKING_URI")
        return {
            "project": self.mlflow.experiment if self.mlflow and not self.wandb else project,
            "entity": self.wandb.entity if self.wandb else None,
            "wandb_mode": self.wandb.mode if self.wandb else "auto",
            "mlflow_uri": uri or f"sqlite:///{outputs}/mlflow.db",
        }


class Train(Config):
    """A training: ``convscope train``."""

    model: Model
    data: Data
    transfer: Transfer
    task: Task
    cache: Cache
    trainer: Trainer
    callbacks: Callbacks
    logger: Logger
    sweep: Sweep
    launcher: Launcher
    seed: Seed
    outputs: str
    folder: str | None
    resume: str | None
    group: str | None
    tags: list[str]
    quiet: bool

    @model_validator(mode="after")
    def _methods_suit_the_data(self) -> Self:
        if isinstance(self.data, Texts) and self.callbacks.saliency is not None:
            refuse_methods_for_images("callbacks.saliency.methods", self.callbacks.saliency.methods or ())
        return self
