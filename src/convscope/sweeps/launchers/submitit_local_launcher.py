"""``launcher=submitit_local``: runs jobs as on a cluster, each in a process of its own on this machine."""

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from convscope.config.launcher import SubmititLocalConfig
from convscope.config.trainer import TrainerConfig
from convscope.errors import Interrupted
from convscope.sweeps.launchers.hydra_plugin import hydra_plugin
from convscope.sweeps.launchers.launcher import Launcher, SweepJobs
from convscope.sweeps.launchers.submission import submit, wait
from convscope.sweeps.optional_package import require_package
from convscope.sweeps.stopping import on_first_signal


@dataclass(frozen=True)
class SubmititLocalLauncher(Launcher):
    """Runs all jobs at once through submitit, each in a process of its own on this machine."""

    several_devices = True

    config: SubmititLocalConfig

    @override
    def check(self) -> None:
        require_package("launcher=submitit_local", "hydra_plugins.hydra_submitit_launcher", "submitit")

    @override
    def run(self, sweep: SweepJobs) -> list[Any]:
        settings = {
            "gpus_per_node": self.config.gpus,
            "cpus_per_task": self.config.cpus,
            "timeout_min": self.config.timeout_min,
        }
        with hydra_plugin("submitit_local", settings, sweep.task, sweep) as plugin:
            jobs = submit(plugin, sweep)
            with _forwarding_to_jobs(jobs.values()) as received:
                outcomes = wait(sweep.folder, jobs, lambda job: "ended" if job.done() else None)
        if received:
            raise Interrupted(received[0], "interrupted: the jobs have saved their state")
        return outcomes


@contextmanager
def _forwarding_to_jobs(jobs: Iterable[Any]) -> Iterator[list[int]]:
    """Forward the first signal to the jobs of this machine, as SIGTERM; yield the list of signals received."""
    processes = [job._process for job in jobs]

    def stop() -> None:
        for process in processes:
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)

    with on_first_signal(stop) as received:
        yield received


def build(settings: SubmititLocalConfig, trainer: TrainerConfig) -> SubmititLocalLauncher:
    """Return the launcher of ``launcher=submitit_local``, for jobs that train with ``trainer``."""
    return SubmititLocalLauncher(settings)
