"""Settings of ``sweep`` and ``launcher``: how a multirun chooses its values, and where its jobs run."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, NonNegativeInt, PositiveInt

from convscope.config.base import Config, matching


def _folder_name(name: str | None) -> str | None:
    if name is not None and (not name.strip() or "/" in name or "\\" in name or name.startswith(".")):
        raise ValueError("must be the name of a folder, without slashes and without a dot at its beginning")
    return name


Name = Annotated[str | None, AfterValidator(_folder_name)]


def zip_groups(value: object) -> list[list[str]]:
    """Return the groups of keys that ``sweep.zip`` names: one for a list of keys, several for a list of such lists.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(value, list) and all(isinstance(key, str) for key in value):
        value = [value] if value else []
    if isinstance(value, list) and all(
        isinstance(group, list) and all(isinstance(key, str) for key in group) for group in value
    ):
        return value
    raise ValueError("must be a list of keys, as in [model.depth,transfer.lr], or a list of such lists")


class GridConfig(Config):
    """A sweep over all combinations of the given values; the values of some keys may go together."""

    kind: Literal["grid"]
    name: Name
    zip: Annotated[list[list[str]], BeforeValidator(zip_groups)] = Field(default_factory=list)  # older runs lack it


class SearchConfig(Config):
    """A search that chooses the values of each trial itself: by the earlier trials (TPE) or at random."""

    kind: Literal["tpe", "random"]
    name: Name
    space: dict[str, str]
    trials: PositiveInt
    metric: Annotated[str, matching(r"validation/\w+", "a metric of the validation, as in validation/accuracy")]
    order: Literal["auto", "highest", "lowest"]
    startup: NonNegativeInt
    pruning: Literal["median", "halving", "none"]
    prune_after_trials: NonNegativeInt
    prune_after_epochs: NonNegativeInt
    seed: NonNegativeInt
    storage: Literal["journal", "sqlite"]
    workers: PositiveInt | None

    @property
    def lowest(self) -> bool:
        """Whether a low value of the metric is better."""
        return self.order == "lowest" or (self.order == "auto" and self.metric.endswith("/loss"))


SweepConfig = Annotated[GridConfig | SearchConfig, Field(discriminator="kind")]


class LocalConfig(Config):
    """Runs one job after the other, in this process."""

    name: Literal["local"]


class JoblibConfig(Config):
    """Runs several jobs at a time, each in a process of its own on this machine."""

    name: Literal["joblib"]
    jobs: PositiveInt
    gpus: NonNegativeInt


class SubmititLocalConfig(Config):
    """Runs jobs as on a cluster, each in a process of its own on this machine, with its own log files."""

    name: Literal["submitit_local"]
    gpus: NonNegativeInt
    cpus: PositiveInt
    timeout_min: PositiveInt


class RayConfig(Config):
    """Runs jobs by Ray, on a cluster or on this machine."""

    name: Literal["ray"]
    address: Annotated[str, matching(r"auto|[^/]+:\d+", "auto, or HOST:PORT")] | None
    cpus: PositiveInt
    gpus: Annotated[float, Field(ge=0, le=1)]
    memory_gb: PositiveInt | None
    retries: NonNegativeInt


class SlurmConfig(Config):
    """Runs jobs on a SLURM cluster, as one job array."""

    name: Literal["slurm"]
    partition: str | None
    account: str | None
    qos: str | None
    constraint: str | None
    nodes: PositiveInt
    gpus: NonNegativeInt
    cpus: PositiveInt
    memory_gb: PositiveInt | None
    timeout_min: PositiveInt
    array_parallelism: PositiveInt
    requeues: NonNegativeInt
    signal_delay_s: PositiveInt
    setup: list[str]
    additional_parameters: dict[str, str | int | float | bool]


LauncherConfig = Annotated[
    LocalConfig | JoblibConfig | SubmititLocalConfig | RayConfig | SlurmConfig, Field(discriminator="name")
]
