"""Settings of ``logger``: the trackers of a training."""

import os
from typing import Annotated, Any, Literal

from pydantic import Field

from convscope.config.base import Config
from convscope.config.named import NamedConfig
from convscope.config.registry import Registry
from convscope.config.target import TargetConfig

LOGGERS = Registry("logger.extra.NAME", target=TargetConfig, by_name=True)


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
    extra: dict[str, Annotated[NamedConfig | TargetConfig, LOGGERS]] = Field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The names of the trackers, in the order of the fields of this class."""
        return list(self.model_dump(exclude_none=True, exclude={"extra"}))

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
