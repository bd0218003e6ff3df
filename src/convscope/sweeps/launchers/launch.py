"""Runs the jobs of a sweep with the selected launcher; packages of other launchers are not imported."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from convscope.composition.compose import open_hydra
from convscope.composition.jobs import Job
from convscope.composition.overrides import quote_value
from convscope.errors import Interrupted
from convscope.masking import VARIABLE
from convscope.sweeps.job import Outcome
from convscope.sweeps.stopping import Stoppable, init_worker, on_first_signal, worker_folder


def launch(
    task: Callable[[DictConfig], Any],
    name: str,
    selected_launcher: tuple[str, dict[str, Any]],
    folder: Path,
    jobs: Sequence[Job],
    config_dir: str | None,
    gpus: Sequence[str] = (),
) -> list[Any]:
    """Run ``task`` for each job, with a launcher of Hydra or on Ray.

    Args:
        task: Function of a job's configuration.
        name: Name of the configuration.
        selected_launcher: Name of the launcher, and its settings.
        folder: Folder of the sweep.
        jobs: At least one job.
        config_dir: Folder of the user's own configuration files; None for none.
        gpus: Names of the GPUs, of which each job of joblib sees one; empty if each sees all.

    Returns:
        Result of ``task`` for each job; an `Outcome` of a failure for a job whose process died.
    """
    hydra_name, settings = selected_launcher
    plugin = "basic" if hydra_name == "ray" else hydra_name
    sweep_overrides = [f"hydra/launcher={plugin}", "hydra.mode=MULTIRUN", f"hydra.sweep.dir={quote_value(str(folder))}"]
    with open_hydra(name, config_dir) as hydra:
        config = hydra.compose_config(
            config_name=name,
            overrides=[*jobs[0].overrides, *sweep_overrides],
            run_mode=RunMode.MULTIRUN,
            with_log_configuration=False,
        )
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(config))
        job_overrides = [[*job.overrides, f"hydra.sweep.subdir={quote_value(job.name)}"] for job in jobs]
        if hydra_name == "ray":
            from convscope.sweeps.launchers.ray_job import RayJob
            from convscope.sweeps.launchers.ray_launcher import run_on_ray

            cwd, state = str(Path.cwd()), Singleton.get_state()
            ray_jobs = [
                RayJob(
                    task, context, config, job.name, tuple(overrides), number, cwd, state, os.environ.get(VARIABLE, "")
                )
                for number, (job, overrides) in enumerate(zip(jobs, job_overrides, strict=True))
            ]
            return run_on_ray(settings, folder, ray_jobs)
        with open_dict(config):
            config.hydra.launcher = OmegaConf.merge(config.hydra.launcher, settings)
        launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=context,
            task_function=Stoppable(task) if hydra_name == "joblib" else task,
            config=config,
        )
        match hydra_name:
            case "basic":
                return [ended.return_value for ended in launcher.launch(job_overrides, initial_job_idx=0)]
            case "joblib":
                return _launch_in_pool(launcher, folder, jobs, job_overrides, gpus)

        from convscope.sweeps.launchers.submitit_launcher import submit

        return submit(launcher, folder, [job.name for job in jobs], job_overrides)


def _launch_in_pool(
    launcher: Any, folder: Path, pending: Sequence[Job], overrides: Sequence[Sequence[str]], gpus: Sequence[str]
) -> list[Outcome]:
    """Run the jobs in a pool of joblib, whose workers save their state when a signal stops the sweep.

    Raises:
        Interrupted: A signal stopped the sweep.
    """
    with worker_folder() as pool, on_first_signal(pool.stop) as received:
        initargs = (str(pool.folder), launcher.joblib["n_jobs"], tuple(gpus))
        launcher.joblib |= {"initializer": init_worker, "initargs": initargs}
        try:
            returned = [ended.return_value for ended in launcher.launch(overrides, initial_job_idx=0)]
        except Exception as error:
            # The process of a job died: killed, or out of memory. Their folders show which jobs are complete.
            lost = [job for job in pending if not (folder / job.name / "summary.json").is_file()]
            first_line = str(error).strip().splitlines()[0]
            why = f"its process ended without a result ({type(error).__name__}: {first_line})"
            returned = [Outcome(job.name, "failed", why) for job in lost]
    if received:
        raise Interrupted(received[0], "interrupted: the jobs that ran have saved their state")
    return returned
