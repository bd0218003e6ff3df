"""Finds the launcher of ``launcher=...``; only the chosen one is imported."""

from convscope.config.sweep import JoblibConfig, LocalConfig, RayConfig, SlurmConfig, SubmititLocalConfig
from convscope.config.train import TrainConfig
from convscope.sweeps.launchers.launcher import Launcher


def find_launcher(config: TrainConfig) -> Launcher:
    """Return the launcher for a sweep of which ``config`` is a job."""
    match config.launcher:
        case LocalConfig():
            from convscope.sweeps.launchers.local_launcher import LocalLauncher

            return LocalLauncher()
        case JoblibConfig() as joblib:
            from convscope.sweeps.launchers.joblib_launcher import JoblibLauncher

            return JoblibLauncher(joblib)
        case SubmititLocalConfig() as submitit:
            from convscope.sweeps.launchers.submitit_local_launcher import SubmititLocalLauncher

            return SubmititLocalLauncher(submitit)
        case RayConfig() as ray:
            from convscope.sweeps.launchers.ray_launcher import RayLauncher

            return RayLauncher(ray)
        case SlurmConfig() as slurm:
            from convscope.sweeps.launchers.slurm_launcher import SlurmLauncher

            return SlurmLauncher(slurm, config.trainer.devices, config.trainer.nodes)
