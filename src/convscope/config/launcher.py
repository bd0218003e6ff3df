"""Settings of ``launcher``: where the jobs of a multirun run."""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from convscope.config.base import Config, matching
from convscope.config.registry import Registry


class LauncherSettings(Config):
    """Settings of a launcher. What ``builds`` it takes them and the trainer's, and returns a ``Launcher``."""

    name: str


LAUNCHERS = Registry("launcher")


@LAUNCHERS.option("local", builds="convscope.sweeps.launchers.local_launcher:build")
class LocalConfig(LauncherSettings):
    """Runs one job after the other, in this process."""


@LAUNCHERS.option("joblib", builds="convscope.sweeps.launchers.joblib_launcher:build")
class JoblibConfig(LauncherSettings):
    """Runs several jobs at a time, each in a process of its own on this machine."""

    jobs: PositiveInt
    gpus: NonNegativeInt


@LAUNCHERS.option("submitit_local", builds="convscope.sweeps.launchers.submitit_local_launcher:build")
class SubmititLocalConfig(LauncherSettings):
    """Runs jobs as on a cluster, each in a process of its own on this machine, with its own log files."""

    gpus: NonNegativeInt
    cpus: PositiveInt
    timeout_min: PositiveInt


@LAUNCHERS.option("ray", builds="convscope.sweeps.launchers.ray_launcher:build")
class RayConfig(LauncherSettings):
    """Runs jobs by Ray, on a cluster or on this machine."""

    address: Annotated[str, matching(r"auto|[^/]+:\d+", "auto, or HOST:PORT")] | None
    cpus: PositiveInt
    gpus: Annotated[float, Field(ge=0, le=1)]
    memory_gb: PositiveInt | None
    retries: NonNegativeInt


@LAUNCHERS.option("slurm", builds="convscope.sweeps.launchers.slurm_launcher:build")
class SlurmConfig(LauncherSettings):
    """Runs jobs on a SLURM cluster, as one job array."""

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


LauncherConfig = Annotated[LauncherSettings, LAUNCHERS]
