"""``launcher=local``: runs one job after the other, in this process."""

from typing import Any

from typing_extensions import override

from convscope.config.launcher import LocalConfig
from convscope.config.trainer import TrainerConfig
from convscope.errors import UserError
from convscope.sweeps.launchers.hydra_plugin import hydra_plugin
from convscope.sweeps.launchers.launcher import Launcher, SweepJobs


class LocalLauncher(Launcher):
    """Runs one job after the other, in this process."""

    in_this_process = True

    @override
    def check(self) -> None:
        pass  # it needs nothing

    @override
    def workers(self, requested: int | None) -> int:
        if requested not in (None, 1):
            raise UserError(
                f"sweep.workers={requested}: one process runs one trial at a time; use launcher=joblib, or start "
                "the same command several times"
            )
        return 1

    @override
    def run(self, sweep: SweepJobs) -> list[Any]:
        with hydra_plugin("basic", {}, sweep.task, sweep) as plugin:
            return [ended.return_value for ended in plugin.launch(sweep.overrides, initial_job_idx=0)]


def build(settings: LocalConfig, trainer: TrainerConfig) -> LocalLauncher:
    """Return the launcher of ``launcher=local``, for jobs that train with ``trainer``."""
    return LocalLauncher()
