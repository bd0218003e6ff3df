"""Settings of ``convscope train``."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from convscope.config.base import Config
from convscope.config.callbacks import CallbacksConfig
from convscope.config.data import DataConfig
from convscope.config.launcher import LauncherConfig
from convscope.config.logger import LoggerConfig
from convscope.config.model import ModelConfig
from convscope.config.saliency import Noun, refuse_other_methods
from convscope.config.sweep import SweepConfig
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
