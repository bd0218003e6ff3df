"""The interface of a launcher, which runs the jobs of a sweep."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from omegaconf import DictConfig

from convscope.composition.jobs import Job
from convscope.composition.overrides import quote_value


@dataclass(frozen=True)
class SweepJobs:
    """Jobs of a sweep, and what each of them runs.

    Attributes:
        task: Function of a job's configuration.
        config_name: Name of the configuration.
        folder: Folder of the sweep.
        jobs: At least one job.
        config_dir: Folder of the user's own configuration files; None for none.
    """

    task: Callable[[DictConfig], Any]
    config_name: str
    folder: Path
    jobs: Sequence[Job]
    config_dir: str | None

    @property
    def overrides(self) -> list[list[str]]:
        """Overrides of each job, with that of its folder."""
        return [[*job.overrides, f"hydra.sweep.subdir={quote_value(job.name)}"] for job in self.jobs]


class Launcher(Protocol):
    """Where the jobs of a sweep run: one option of ``launcher``, with its settings.

    A module of a launcher is imported before a sweep is checked, so it imports the package that it needs in functions.

    Attributes:
        in_this_process: Whether the process of the sweep runs the jobs itself, one after the other.
        several_devices: Whether a job may train on several devices.
    """

    in_this_process: ClassVar[bool] = False
    several_devices: ClassVar[bool] = False

    @abstractmethod
    def check(self) -> None:
        """Check that the launcher can run jobs here.

        Raises:
            UserError: Its package is not installed, this machine lacks what it needs, or a job would get other devices
                than those it trains on.
        """

    def workers(self, requested: int | None) -> int:
        """Return the number of processes that run the trials of a search.

        Args:
            requested: ``sweep.workers``; None: as many as the launcher's settings let run at a time, or one.

        Raises:
            UserError: The launcher cannot run so many, or would give a trial several devices.
        """
        return requested or 1

    @abstractmethod
    def run(self, sweep: SweepJobs) -> list[Any]:
        """Run the jobs, and wait until they have ended.

        Returns:
            Result of the task of each job; an `Outcome` of a failure for a job whose process died.

        Raises:
            UserError: The jobs cannot run.
            Interrupted: A signal stopped the sweep, and the jobs that ran have saved their state.
        """
