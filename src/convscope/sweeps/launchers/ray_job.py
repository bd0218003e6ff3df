"""A job that Ray runs in a process of its own: sets Hydra up there, and turns signals into a saved state."""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from hydra.types import HydraContext
from omegaconf import DictConfig

from convscope.composition.hydra_internals import run_job_elsewhere
from convscope.errors import Interrupted
from convscope.masking import VARIABLE
from convscope.sweeps.job import Outcome

RAY_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)  # Ray cancels a task by SIGINT, and ends a process by SIGTERM


@dataclass(frozen=True)
class RayJob:
    """What Ray runs for a job, for the first time or again.

    Attributes:
        task: Function of the job's configuration.
        context: Hydra's context, which composes the job's configuration.
        config: Configuration of the sweep.
        name: Name of the job's folder.
        overrides: Overrides of the job.
        number: Number of the job.
        cwd: Folder that relative paths in the configuration start from.
        singletons: Hydra's state.
        secrets: Value of the environment variable that holds the secrets; other machines of a cluster lack it.
    """

    task: Callable[[DictConfig], Any]
    context: HydraContext
    config: DictConfig
    name: str
    overrides: Sequence[str]
    number: int
    cwd: str
    singletons: Any
    secrets: str = ""

    def __call__(self) -> Any:
        """Return the result of the task; an `Outcome` of a failure if a signal ended it, with its state saved."""
        before = {number: signal.signal(number, _interrupt) for number in RAY_STOP_SIGNALS}
        try:
            return self._run()
        except Interrupted:
            return Outcome(self.name, "failed", "a signal ended it; run the same command again to resume it")
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _run(self) -> Any:
        """Compose the job's configuration, and run the task with it."""
        if self.secrets:
            os.environ[VARIABLE] = self.secrets
        os.chdir(self.cwd)  # a process of a cluster starts elsewhere
        return run_job_elsewhere(self.task, self.context, self.config, self.overrides, self.number, self.singletons)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)
