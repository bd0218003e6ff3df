"""Settings of ``logger``: the trackers of a training, each registered under its name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, core_schema

from convscope.config.base import Config
from convscope.config.registry import Registry
from convscope.config.target import TargetConfig

LOGGERS = Registry("logger", by_key=True)
OWN_LOGGERS = Registry("logger.extra.NAME", target=TargetConfig, by_name=True)
OwnLoggers = dict[str, Annotated[TargetConfig, OWN_LOGGERS]]


class TrackerConfig(Config):
    """Settings of a tracker. What ``builds`` it starts it, and returns a `convscope.tracking.tracker.Tracker`.

    It gets those of these arguments that its signature names: ``settings``, an instance of its class; ``folder``, the
    `RunFolder`; ``run_name``, ``group`` and ``tags`` of the run; ``config``, the configuration as plain containers,
    with secrets masked; ``outputs``, the folder of all runs. If the run is resumed, ``kept`` are its scalars up to the
    checkpoint, ``missed`` those of them that were logged while the tracker was off, and ``mark`` is what the method
    ``mark`` of its logger returned at the checkpoint, an empty dict if there is none; otherwise ``kept`` and ``mark``
    are None.

    Attributes:
        label: Its name in messages; empty: the name of the option.
        package: The package that it needs; empty if it needs none.
        install: How to install the package, for the message; empty: ``pip install`` with its name.
        prepares: What prepares it while PyTorch is imported, as ``module:function``; empty: nothing. It gets those of
            ``settings``, ``outputs`` and ``logs_model`` that its signature names, and must import nothing slow.
    """

    label: ClassVar[str] = ""
    package: ClassVar[str] = ""
    install: ClassVar[str] = ""
    prepares: ClassVar[str] = ""


@LOGGERS.option("auto", builds="convscope.tracking.wandb_settings:choose_tracker")
class AutoConfig(TrackerConfig):
    """Stands for another tracker: wandb if an API key is configured, otherwise TensorBoard.

    What ``builds`` it returns the name and the settings of that tracker.
    """

    project: str


@LOGGERS.option("csv", builds="convscope.tracking.csv_logger:build")
class CSVConfig(TrackerConfig):
    """Only ``metrics.csv``, which every run has."""


@LOGGERS.option("tensorboard", builds="convscope.tracking.tensorboard_tracker:build")
class TensorBoardConfig(TrackerConfig):
    """TensorBoard, whose files lie in the run's folder."""

    label = "TensorBoard"
    package = "tensorboard"


@LOGGERS.option("wandb", builds="convscope.tracking.wandb_tracker:build")
class WandbConfig(TrackerConfig):
    """Settings of Weights & Biases."""

    package = "wandb"
    prepares = "convscope.tracking.wandb_settings:probe"

    project: str
    entity: str | None
    mode: Literal["auto", "offline", "online"]


@LOGGERS.option("mlflow", builds="convscope.tracking.mlflow_tracker:build")
class MLflowConfig(TrackerConfig):
    """Settings of MLflow."""

    label = "MLflow"
    package = "mlflow"
    install = "pip install 'convscope[mlflow]' (here: make setup extras=mlflow)"
    prepares = "convscope.tracking.mlflow_process:prepare_tracker"

    experiment: str
    uri: str | None


@dataclass(frozen=True)
class LoggerConfig:
    """The trackers of a training.

    Attributes:
        trackers: The settings of each tracker, by its name, in the order of registration.
        extra: Lightning loggers of the user's own, by name.
    """

    trackers: Mapping[str, TrackerConfig] = field(default_factory=dict)
    extra: Mapping[str, TargetConfig] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The names of the trackers, in the order of registration."""
        return list(self.trackers)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema of a mapping with the names of trackers, and ``extra``, as keys."""
        return core_schema.no_info_plain_validator_function(
            cls._read, serialization=core_schema.plain_serializer_function_ser_schema(cls._dump)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the JSON schema of that mapping."""
        mapping = handler(TypeAdapter(LOGGERS.typed_dict(extra=OwnLoggers)).core_schema)
        return {**mapping, "additionalProperties": False}

    @classmethod
    def _read(cls, value: Any) -> "LoggerConfig":
        """Return ``value``, a mapping of settings by the name of their tracker, as an instance."""
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping):
            # A run has a key for each tracker, also for those of plugins that are not there when it is read.
            value = {name: settings for name, settings in value.items() if settings is not None}
            LOGGERS.check_keys(value, "tracker", "extra")
        found = LOGGERS.read_by_key(value, extra=OwnLoggers)
        return cls({name: found[name] for name in LOGGERS.classes if name in found}, found.get("extra", {}))

    def _dump(self) -> dict[str, Any]:
        """Return the settings of each tracker, None for those that are off: a resumed run can switch them on."""
        return {
            **{name: self.trackers[name].model_dump() if name in self.trackers else None for name in LOGGERS.classes},
            "extra": {name: settings.model_dump() for name, settings in self.extra.items()},
        }
