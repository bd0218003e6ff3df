"""Finds the launcher of ``launcher=...``; only the chosen one is imported."""

from convscope.config.launcher import LAUNCHERS
from convscope.config.train import TrainConfig
from convscope.sweeps.launchers.launcher import Launcher


def find_launcher(config: TrainConfig) -> Launcher:
    """Return the launcher for a sweep of which ``config`` is a job."""
    launcher: Launcher = LAUNCHERS.builder(config.launcher.name)(config.launcher, config.trainer)
    return launcher
