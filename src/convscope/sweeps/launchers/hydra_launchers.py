"""Hydra's launchers, as ``launcher=...`` tells."""

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

# Name of an option: the launcher, the package that it needs, the extra that installs it.
PACKAGES = {
    "joblib": ("joblib", "hydra_plugins.hydra_joblib_launcher", "joblib"),
    "submitit_local": ("submitit_local", "hydra_plugins.hydra_submitit_launcher", "submitit"),
    "ray": ("ray", "ray", "ray"),
    "slurm": ("submitit_slurm", "hydra_plugins.hydra_submitit_launcher", "submitit"),
}

# Since 22.05 srun has forgotten what sbatch was told of processors: a job would be bound to one.
CPUS_OF_SRUN = "export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK"


def hydra_launcher(
    config: LauncherConfig, devices: int | Literal["auto"] = 1, nodes: int = 1
) -> tuple[str, dict[str, Any]]:
    """Name and settings of the launcher for ``told``: Hydra's, or ``ray``, which is no plugin of Hydra's.

    Args:
        told: The configuration.
        devices: On which a job trains, of each of its nodes.
        nodes: On which a job trains.

    Raises:
        UserError: It is not installed, or the machine has no SLURM, or a job gets other devices than it trains on.
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
    for key, given, of_trainer, used in (
        ("gpus", config.gpus, "devices", config.gpus if devices == "auto" else devices),
        ("nodes", config.nodes, "nodes", nodes),
    ):
        if given != used and (given > 1 or used > 1) and not (key == "gpus" and given == 0):
            raise UserError(
                f"launcher.{key}={given} and trainer.{of_trainer}={used}: a job trains on all that it gets; "
                f"trainer=ddp trainer.{of_trainer}={given} does so, and launcher.{key}=1 gives each job its own"
            )


def gpus_of_jobs(config: LauncherConfig) -> list[str]:
    """Names of the GPUs, of which each job of joblib sees one; none where each sees all.

    Raises:
        UserError: The environment lets this process see fewer.
    """
    if not isinstance(config, JoblibConfig) or not config.gpus:
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = list(map(str, range(config.gpus))) if visible is None else [name for name in visible.split(",") if name]
    if len(names) < config.gpus:
        raise UserError(f"launcher.gpus={config.gpus}: CUDA_VISIBLE_DEVICES={visible} has {len(names)}")
    return names[: config.gpus]


def launcher_settings(config: LauncherConfig, devices: int | Literal["auto"] = 1) -> dict[str, Any]:
    """The keys of the launcher for ``told``, whose jobs train on ``devices`` of each node."""
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
                # Lightning counts on a process for each device.
                "tasks_per_node": max(config.gpus, 1) if devices == "auto" else devices,
                "cpus_per_task": config.cpus,
                "mem_gb": config.memory_gb,
                "timeout_min": config.timeout_min,
                "array_parallelism": config.array_parallelism,
                "max_num_timeout": config.requeues,
                "signal_delay_s": config.signal_delay_s,
                "setup": [CPUS_OF_SRUN, *config.setup],
                # A cluster may have it that no job is queued again, unless the job wants to be.
                "additional_parameters": {"requeue": True, **config.additional_parameters},
            }
    return {}


def _installed(package: str) -> bool:
    try:
        found = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        return False
    return found is not None and found.origin is not None  # a folder of that name is no package
