"""``sweep`` and ``launcher``: what many trainings from one line are called, and where they run."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator

from convscope.config.base import Config


class Sweep(Config):
    """A sweep over all combinations of its choices."""

    name: str | None

    @field_validator("name")
    @classmethod
    def _is_a_folder(cls, name: str | None) -> str | None:
        if name is not None and (not name.strip() or "/" in name or "\\" in name or name.startswith(".")):
            raise ValueError("must be the name of a folder, without slashes and without a dot at its beginning")
        return name


class Local(Config):
    """One job after the other, in this process."""

    name: Literal["local"]


class Joblib(Config):
    """Several jobs at a time, each in a process of this machine."""

    name: Literal["joblib"]
    jobs: PositiveInt
    gpus: NonNegativeInt


class SubmititLocal(Config):
    """Jobs as on a cluster, each in a process of this machine with its own log files."""

    name: Literal["submitit_local"]
    gpus: NonNegativeInt
    cpus: PositiveInt
    minutes: PositiveInt


class Slurm(Config):
    """Jobs of a SLURM cluster, as one array."""

    name: Literal["slurm"]
    partition: str | None
    account: str | None
    qos: str | None
    constraint: str | None
    nodes: PositiveInt
    gpus: NonNegativeInt
    cpus: PositiveInt
    memory_gb: PositiveInt | None
    minutes: PositiveInt
    at_once: PositiveInt
    requeues: NonNegativeInt
    notice_seconds: PositiveInt
    setup: list[str]
    more: dict[str, str | int | float | bool]


Launcher = Annotated[Local | Joblib | SubmititLocal | Slurm, Field(discriminator="name")]
