"""``launcher=joblib``: runs several jobs at a time, in the processes of a pool on this machine."""

import os
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from convscope.config.launcher import JoblibConfig
from convscope.config.trainer import TrainerConfig
from convscope.errors import Interrupted, UserError
from convscope.sweeps.job import Outcome
from convscope.sweeps.launchers.hydra_plugin import hydra_plugin
from convscope.sweeps.launchers.launcher import Launcher, SweepJobs
from convscope.sweeps.optional_package import require_package
from convscope.sweeps.stopping import Stoppable, init_worker, on_first_signal, worker_folder


@dataclass(frozen=True)
class JoblibLauncher(Launcher):
    """Runs jobs in a pool of joblib, whose workers save their state when a signal stops the sweep."""

    config: JoblibConfig

    @override
    def check(self) -> None:
        require_package("launcher=joblib", "hydra_plugins.hydra_joblib_launcher", "joblib")
        self.gpus()

    @override
    def workers(self, requested: int | None) -> int:
        return requested or self.config.jobs

    @override
    def run(self, sweep: SweepJobs) -> list[Any]:
        settings = {"n_jobs": self.config.jobs, "batch_size": 1}
        with (
            hydra_plugin("joblib", settings, Stoppable(sweep.task), sweep) as plugin,
            worker_folder() as pool,
            on_first_signal(pool.stop) as received,
        ):
            initargs = (str(pool.folder), self.config.jobs, tuple(self.gpus()))
            plugin.joblib |= {"initializer": init_worker, "initargs": initargs}
            try:
                returned = [ended.return_value for ended in plugin.launch(sweep.overrides, initial_job_idx=0)]
            except Exception as error:
                # The process of a job died: killed, or out of memory. Their folders show which jobs are complete.
                lost = [job for job in sweep.jobs if not (sweep.folder / job.name / "summary.json").is_file()]
                first_line = str(error).strip().splitlines()[0]
                why = f"its process ended without a result ({type(error).__name__}: {first_line})"
                returned = [Outcome(job.name, "failed", why) for job in lost]
        if received:
            raise Interrupted(received[0], "interrupted: the jobs that ran have saved their state")
        return returned

    def gpus(self) -> list[str]:
        """Return the names of the GPUs, of which each job sees one; empty if each job sees all.

        Raises:
            UserError: ``CUDA_VISIBLE_DEVICES`` names fewer GPUs.
        """
        count = self.config.gpus
        if not count:
            return []
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = list(map(str, range(count))) if visible is None else [name for name in visible.split(",") if name]
        if len(names) < count:
            named = f"{len(names)} GPU{'s' * (len(names) != 1)}"
            raise UserError(f"launcher.gpus={count}: CUDA_VISIBLE_DEVICES={visible} names only {named}")
        return names[:count]


def build(settings: JoblibConfig, trainer: TrainerConfig) -> JoblibLauncher:
    """Return the launcher of ``launcher=joblib``, for jobs that train with ``trainer``."""
    return JoblibLauncher(settings)
