"""Settings of ``convscope train``."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from convscope.config.base import Config, choices
from convscope.config.callbacks import CallbacksConfig
from convscope.config.data import DataConfig
from convscope.config.launcher import LauncherConfig
from convscope.config.logger import LoggerConfig
from convscope.config.model import ModelConfig
from convscope.config.saliency import Noun, refuse_other_methods
from convscope.config.sweep import SearchConfig, SweepConfig
from convscope.config.target import ModuleNames
from convscope.config.task import TaskConfig
from convscope.config.text_data import TextsConfig
from convscope.config.trainer import TrainerConfig
from convscope.config.transfer import TRANSFERS, TransferConfig

Seed = Annotated[int, Field(ge=0, lt=2**32)]


class CacheConfig(Config):
    """How the feature maps of a frozen network are cached."""

    features: bool
    precision: Literal["fp32", "bf16"]
    limit_gib: PositiveFloat


class TrainConfig(Config):
    """All settings of one training: ``convscope train``."""

    model: ModelConfig
    data: DataConfig
    transfer: Annotated[TransferConfig, TRANSFERS]
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
    plugins: ModuleNames
    trust: ModuleNames

    @model_validator(mode="after")
    def _methods_fit_the_data(self) -> Self:
        for key, names in self.methods.items():
            refuse_other_methods(key, names, self.noun)
        return self

    @model_validator(mode="after")
    def _monitored_metrics_exist(self) -> Self:
        if (mistake := self.metric_mistake()) is not None:
            raise ValueError(mistake)
        return self

    def metric_mistake(self, classes: int | None = None) -> str | None:
        """Return a message if a key names a metric that is not logged, so that the training would fail after an epoch.

        Callbacks of the user's own may log any metric; with them nothing is a mistake.

        Args:
            classes: Number of classes; None if it is not known yet: then no metric is missing because of it.
        """
        if self.callbacks.extra:
            return None
        names = ["loss", "accuracy", "f1"]
        names += ["auroc"] if classes in (None, 2) else []
        names += ["top5_accuracy"] if classes is None or classes > 10 else []
        validation = [f"validation/{name}" for name in (*names, *self.task.metrics)]
        # The weights are compared at the end of a validation, when the epoch's training metrics are not known yet.
        monitored = [("callbacks.checkpoint.monitor", self.callbacks.checkpoint.monitor, validation)]
        if self.callbacks.early_stopping is not None:
            known = [*validation, "train/loss", "train/accuracy"]
            monitored.append(("callbacks.early_stopping.monitor", self.callbacks.early_stopping.monitor, known))
        if isinstance(self.sweep, SearchConfig):
            monitored.append(("sweep.metric", self.sweep.metric, validation))
        for key, metric, known in monitored:
            if metric not in known:
                return f"{key}={metric}: no such metric{choices(metric, known)}"
        return None

    @property
    def noun(self) -> Noun:
        """What the network reads."""
        return "texts" if isinstance(self.data, TextsConfig) else "images"

    @property
    def methods(self) -> dict[str, list[str]]:
        """The saliency methods that the training uses, by their keys; those of the analysis are for images alone."""
        saliency, analysis = self.callbacks.saliency, self.callbacks.analysis
        return {
            "callbacks.saliency.methods": [] if saliency is None else saliency.methods or [],
            "callbacks.analysis.methods": [] if analysis is None or self.noun == "texts" else analysis.methods,
        }
