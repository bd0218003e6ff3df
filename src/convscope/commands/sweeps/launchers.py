"""Hydra's launchers, as ``launcher=...`` tells."""

import importlib.util
import shutil
from typing import Any

from convscope.config.sweep import Joblib, Launcher, Local, Slurm, SubmititLocal
from convscope.errors import UserError

# Name of an option: Hydra's launcher, the package that has it, the extra that installs it.
PACKAGES = {
    "joblib": ("joblib", "hydra_joblib_launcher", "joblib"),
    "submitit_local": ("submitit_local", "hydra_submitit_launcher", "submitit"),
    "slurm": ("submitit_slurm", "hydra_submitit_launcher", "submitit"),
}


def hydra_launcher(told: Launcher) -> tuple[str, dict[str, Any]]:
    """Name and settings of the Hydra launcher for ``told``.

    Raises:
        UserError: It is not installed, or the machine has no SLURM.
    """
    if isinstance(told, Local):
        return "basic", {}
    name, package, extra = PACKAGES[told.name]
    if not _installed(package):
        raise UserError(
            f"launcher={told.name}: is not installed; make setup extras={extra}, or pip install 'convscope[{extra}]'"
        )
    if isinstance(told, Slurm) and shutil.which("sbatch") is None:
        raise UserError(
            "launcher=slurm: this machine has no sbatch; run it where jobs of the cluster are submitted, or use "
            "launcher=submitit_local or launcher=joblib here"
        )
    return name, settings(told)


def settings(told: Launcher) -> dict[str, Any]:
    """The keys of Hydra's launcher for ``told``."""
    match told:
        case Joblib():
            return {"n_jobs": told.jobs, "batch_size": 1}
        case SubmititLocal():
            return {"gpus_per_node": told.gpus, "cpus_per_task": told.cpus, "timeout_min": told.minutes}
        case Slurm():
            return {
                "partition": told.partition,
                "account": told.account,
                "qos": told.qos,
                "constraint": told.constraint,
                "nodes": told.nodes,
                "gpus_per_node": told.gpus or None,
                "tasks_per_node": max(told.gpus, 1),  # Lightning counts on a process for each device
                "cpus_per_task": told.cpus,
                "mem_gb": told.memory_gb,
                "timeout_min": told.minutes,
                "array_parallelism": told.at_once,
                "max_num_timeout": told.requeues,
                "signal_delay_s": told.notice_seconds,
                "setup": told.setup or None,
                "additional_parameters": dict(told.more),
            }
    return {}


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(f"hydra_plugins.{package}") is not None
    except ModuleNotFoundError:
        return False
