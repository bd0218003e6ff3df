"""A job that Ray runs in a process of its own: sets Hydra up there, and turns signals into a saved state."""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import run_job, setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig, open_dict

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
        setup_globals()
        Singleton.set_state(self.singletons)
        config = self.context.config_loader.load_sweep_config(self.config, list(self.overrides))
        with open_dict(config):
            config.hydra.job.num, config.hydra.job.id = self.number, f"job_id_for_{self.number}"
        return run_job(self.task, config, "hydra.sweep.dir", "hydra.sweep.subdir", self.context).return_value


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)
