"""Selects the launcher of ``launcher=...`` and its settings."""

import importlib.util
import os
import shutil
from typing import Any, Literal

from convscope.config.sweep import (
    JoblibConfig,
    LauncherConfig,
    LocalConfig,
    RayConfig,
    SlurmConfig,
    SubmititLocalConfig,
)
from convscope.errors import UserError

# Name of the option: name of the launcher, package that it needs, extra that installs the package.
PACKAGES = {
    "joblib": ("joblib", "hydra_plugins.hydra_joblib_launcher", "joblib"),
    "submitit_local": ("submitit_local", "hydra_plugins.hydra_submitit_launcher", "submitit"),
    "ray": ("ray", "ray", "ray"),
    "slurm": ("submitit_slurm", "hydra_plugins.hydra_submitit_launcher", "submitit"),
}

# Since SLURM 22.05 srun does not take over sbatch's --cpus-per-task: the job would be bound to one processor.
SRUN_CPUS_SETUP = "export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK"


def hydra_launcher(
    config: LauncherConfig, devices: int | Literal["auto"] = 1, nodes: int = 1
) -> tuple[str, dict[str, Any]]:
    """Return name and settings of the launcher: a plugin of Hydra, or ``ray``, which is run without one.

    Args:
        config: Configuration of the launcher.
        devices: Devices of each node on which a job trains.
        nodes: Nodes on which a job trains.

    Raises:
        UserError: The launcher is not installed, the machine has no SLURM, or a job would get other devices than those
            it trains on.
    """
    if isinstance(config, LocalConfig):
        return "basic", {}
    name, package, extra = PACKAGES[config.name]
    if not _installed(package):
        raise UserError(
            f"launcher={config.name}: is not installed; make setup extras={extra}, or pip install 'convscope[{extra}]'"
        )
    if isinstance(config, SlurmConfig):
        missing = [program for program in ("sbatch", "srun", "squeue") if shutil.which(program) is None]
        if missing:
            raise UserError(
                f"launcher=slurm: this machine has no {missing[0]}; run it where jobs of the cluster are submitted, or "
                "use launcher=submitit_local or launcher=joblib here"
            )
        _refuse_idle_devices(config, devices, nodes)
    return name, launcher_settings(config, devices)


def _refuse_idle_devices(config: SlurmConfig, devices: int | Literal["auto"], nodes: int) -> None:
    """Raise UserError if a job would get other devices or nodes than those it trains on."""
    for key, given, trainer_key, used in (
        ("gpus", config.gpus, "devices", config.gpus if devices == "auto" else devices),
        ("nodes", config.nodes, "nodes", nodes),
    ):
        if given != used and (given > 1 or used > 1) and not (key == "gpus" and given == 0):
            raise UserError(
                f"launcher.{key}={given} and trainer.{trainer_key}={used}: a job trains on all that it gets; "
                f"trainer=ddp trainer.{trainer_key}={given} does so, and launcher.{key}=1 gives each job its own"
            )


def gpus_of_jobs(config: LauncherConfig) -> list[str]:
    """Return the names of the GPUs, of which each job of joblib sees one; empty if each job sees all.

    Raises:
        UserError: ``CUDA_VISIBLE_DEVICES`` names fewer GPUs.
    """
    if not isinstance(config, JoblibConfig) or not config.gpus:
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = list(map(str, range(config.gpus))) if visible is None else [name for name in visible.split(",") if name]
    if len(names) < config.gpus:
        named = f"{len(names)} GPU{'s' * (len(names) != 1)}"
        raise UserError(f"launcher.gpus={config.gpus}: CUDA_VISIBLE_DEVICES={visible} names only {named}")
    return names[: config.gpus]


def launcher_settings(config: LauncherConfig, devices: int | Literal["auto"] = 1) -> dict[str, Any]:
    """Return the settings of the launcher's plugin for jobs that train on ``devices`` of each node."""
    match config:
        case JoblibConfig():
            return {"n_jobs": config.jobs, "batch_size": 1}
        case SubmititLocalConfig():
            return {"gpus_per_node": config.gpus, "cpus_per_task": config.cpus, "timeout_min": config.timeout_min}
        case RayConfig():
            return config.model_dump(exclude={"name"})
        case SlurmConfig():
            return {
                "partition": config.partition,
                "account": config.account,
                "qos": config.qos,
                "constraint": config.constraint,
                "nodes": config.nodes,
                "gpus_per_node": config.gpus or None,
                # Lightning expects one process for each device.
                "tasks_per_node": max(config.gpus, 1) if devices == "auto" else devices,
                "cpus_per_task": config.cpus,
                "mem_gb": config.memory_gb,
                "timeout_min": config.timeout_min,
                "array_parallelism": config.array_parallelism,
                "max_num_timeout": config.requeues,
                "signal_delay_s": config.signal_delay_s,
                "setup": [SRUN_CPUS_SETUP, *config.setup],
                # A cluster may requeue only jobs that ask for it.
                "additional_parameters": {"requeue": True, **config.additional_parameters},
            }
    return {}


def _installed(package: str) -> bool:
    """Return whether a package is installed; a mere folder of that name does not count."""
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        return False
    return spec is not None and spec.origin is not None  # a folder without __init__.py has no origin
