"""``launcher=slurm``: runs jobs on a SLURM cluster, as one job array."""

import json
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from typing_extensions import override

from convscope.config.launcher import SlurmConfig
from convscope.config.trainer import TrainerConfig
from convscope.console import echo, warn
from convscope.errors import UserError
from convscope.runs.files import write_atomically
from convscope.sweeps.launchers.hydra_plugin import hydra_plugin
from convscope.sweeps.launchers.launcher import Launcher, SweepJobs
from convscope.sweeps.launchers.squeue import ENDED_STATES, queue, still_queued
from convscope.sweeps.launchers.submission import MAX_POLL_INTERVAL, QUEUED_FILE, HowEnded, submit, wait
from convscope.sweeps.optional_package import require_package

# Since SLURM 22.05 srun does not take over sbatch's --cpus-per-task: the job would be bound to one processor.
SRUN_CPUS_SETUP = "export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK"


@dataclass(frozen=True)
class SlurmLauncher(Launcher):
    """Submits jobs to SLURM through submitit; those that SLURM still has from an earlier command are waited for.

    Attributes:
        config: Settings of the launcher.
        devices: Devices of each node on which a job trains.
        nodes: Nodes on which a job trains.
    """

    several_devices = True

    config: SlurmConfig
    devices: int | Literal["auto"]
    nodes: int

    @override
    def check(self) -> None:
        require_package("launcher=slurm", "hydra_plugins.hydra_submitit_launcher", "submitit")
        missing = [program for program in ("sbatch", "srun", "squeue") if shutil.which(program) is None]
        if missing:
            raise UserError(
                f"launcher=slurm: this machine has no {missing[0]}; run it where jobs of the cluster are submitted, or "
                "use launcher=submitit_local or launcher=joblib here"
            )
        self._refuse_idle_devices()

    @override
    def workers(self, requested: int | None) -> int:
        if self.config.nodes * max(self.config.gpus, 1) > 1:
            raise UserError(
                f"launcher.gpus={self.config.gpus}: a trial of a search runs on one device; use launcher.gpus=1, or "
                "sweep=grid"
            )
        return requested or self.config.array_parallelism

    @override
    def run(self, sweep: SweepJobs) -> list[Any]:
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        with hydra_plugin("submitit_slurm", self.settings(), sweep.task, sweep) as plugin:
            waiting = _in_the_queue(sweep.folder, [job.name for job in sweep.jobs], plugin.params["submitit_folder"])
            if waiting:
                echo(f"already queued, waiting for: {', '.join(waiting)}")
            try:
                submitted = submit(plugin, sweep, waiting)
            except (FailedJobError, FailedSubmissionError) as error:
                raise UserError(f"launcher=slurm: sbatch refuses the jobs: {_sbatch_errors(error)}") from error
            for name, job in submitted.items():
                waiting[name] = job
                _write_job_number(sweep.folder / name, job.job_id)
            numbers = " ".join(sorted({job.job_id.split("_")[0] for job in waiting.values()}))
            echo(f"SLURM has the jobs as {numbers}; their output is in {sweep.folder / '.submitit'}")
            try:
                return wait(sweep.folder, waiting, _slurm_state_reader())
            except KeyboardInterrupt:
                warn(
                    f"the jobs keep running; `scancel {numbers}` ends them; run the same command again to wait for them"
                )
                raise

    def settings(self) -> dict[str, Any]:
        """Return the settings of Hydra's launcher."""
        config = self.config
        return {
            "partition": config.partition,
            "account": config.account,
            "qos": config.qos,
            "constraint": config.constraint,
            "nodes": config.nodes,
            "gpus_per_node": config.gpus or None,
            # Lightning expects one process for each device.
            "tasks_per_node": max(config.gpus, 1) if self.devices == "auto" else self.devices,
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

    def _refuse_idle_devices(self) -> None:
        """Raise UserError if a job would get other devices or nodes than those it trains on."""
        config = self.config
        for key, given, trainer_key, used in (
            ("gpus", config.gpus, "devices", config.gpus if self.devices == "auto" else self.devices),
            ("nodes", config.nodes, "nodes", self.nodes),
        ):
            if given != used and (given > 1 or used > 1) and not (key == "gpus" and given == 0):
                raise UserError(
                    f"launcher.{key}={given} and trainer.{trainer_key}={used}: a job trains on all that it gets; "
                    f"trainer=ddp trainer.{trainer_key}={given} does so, and launcher.{key}=1 gives each job its own"
                )


def _sbatch_errors(error: Exception) -> str:
    """Return what sbatch says in an error of submitit; the whole error if it says nothing."""
    errors = [line for line in str(error).splitlines() if "sbatch: error:" in line]
    return " ".join(line.replace("sbatch: error:", "").strip() for line in errors) or str(error).strip()


def _slurm_state_reader() -> HowEnded:
    """Return a function that gives the final state of a job, or None while it has not ended.

    The function queries all jobs at once, at first every two seconds and later every half minute.
    """
    known: dict[str, str] | None = None
    start = last_query = time.monotonic()

    def how_ended(job: Any) -> str | None:
        nonlocal known, last_query
        now = time.monotonic()
        if now - last_query > min(MAX_POLL_INTERVAL, max(2.0, (now - start) / 4)):
            known, last_query = queue(), now
        if known is None:  # not queried yet, or the controller does not answer
            return None
        state = known.get(job.job_id)
        return "SLURM has forgotten it" if state is None else f"SLURM: {state}" if state in ENDED_STATES else None

    return how_ended


def _in_the_queue(folder: Path, names: Sequence[str], logs: str) -> dict[str, Any]:
    """Return the jobs of ``names`` that an earlier command has submitted and that have not ended."""
    from submitit.slurm.slurm import SlurmJob

    numbers = {}
    for name in names:
        with suppress(OSError, ValueError):
            numbers[name] = str(json.loads((folder / name / QUEUED_FILE).read_text(encoding="utf-8")))
    queued = still_queued() if numbers else {}
    return {name: SlurmJob(folder=logs, job_id=number) for name, number in numbers.items() if number in queued}


def _write_job_number(folder: Path, number: str) -> None:
    """Write the job's number in the queue into its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / QUEUED_FILE, f"{json.dumps(number)}\n".encode())


def build(settings: SlurmConfig, trainer: TrainerConfig) -> SlurmLauncher:
    """Return the launcher of ``launcher=slurm``, for jobs that train with ``trainer``."""
    return SlurmLauncher(settings, trainer.devices, trainer.nodes)
