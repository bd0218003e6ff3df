"""Jobs that Ray runs in processes of its own: in the process, what Hydra needs and what a signal leads to."""

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

ENDS = (signal.SIGINT, signal.SIGTERM)  # how Ray cancels a task, and how it ends a process


@dataclass(frozen=True)
class RayJob:
    """What Ray runs, from the beginning or again.

    Attributes:
        task: Takes the job's configuration.
        context: Hydra's, which composes the configuration there.
        config: Of the sweep.
        name: Of the job's folder.
        words: The job's overrides.
        number: Of the job.
        cwd: The folder that relative paths in the configuration start from.
        singletons: Hydra's state.
        secrets: The variable of the environment that keeps them, which a machine of a cluster does not inherit.
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
        """What the task returns; an `Outcome` of a failure where a signal ended it, with its state saved."""
        before = {number: signal.signal(number, _interrupt) for number in ENDS}
        try:
            return self._run()
        except Interrupted:
            return Outcome(self.name, "failure", "a signal ended it; the same sweep again goes on with it")
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _run(self) -> Any:
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
