"""A whole sweep: which of its jobs are done, run the others, and compare them all."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, RunMode
from hydra.version import setbase
from omegaconf import DictConfig, OmegaConf, open_dict

from convscope.commands.compose import CONFIG_DIR, HYDRA_VERSION_BASE, Command, quoted
from convscope.commands.console import say, warn
from convscope.commands.sweeps.folder import State, claim, state
from convscope.commands.sweeps.job import JobRunner, Outcome, full, other_run
from convscope.commands.sweeps.jobs import Choice, Job, identity, sweep_name
from convscope.commands.sweeps.launchers import gpus_of_jobs, hydra_launcher
from convscope.commands.sweeps.stopping import Stoppable, begin_worker, forwarding, workers
from convscope.config.base import Config
from convscope.config.train import Train
from convscope.errors import Interrupted, UserError
from convscope.masking import VARIABLE

COUNTED: dict[State, str] = {
    "complete": "complete",
    "interrupted": "to resume",
    "new": "to run",
    "other": "of another configuration",
}


def run_sweep(
    command: Command,
    name: str,
    told: Sequence[Choice],
    jobs: Sequence[Job],
    configs: Sequence[Config],
    config_dir: str | None = None,
) -> None:
    """Run what is not done of a sweep, and compare all that is.

    Args:
        command: What each job runs.
        name: Of the command: of its configuration.
        told: The words of the command line.
        jobs: All jobs.
        configs: Of each job, valid: those of `Train`.
        config_dir: A folder of the user's own options.

    Raises:
        UserError: The sweep cannot be begun; or a job met a mistake of the user's, after the others have run.
    """
    trainings = [config for config in configs if isinstance(config, Train)]
    planned = list(zip(jobs, trainings, strict=True))
    first = trainings[0]
    refuse(told, trainings)
    chosen = hydra_launcher(first.launcher, first.trainer.devices, getattr(first.trainer, "nodes", 1))
    folder = Path(first.outputs).expanduser().absolute() / "sweeps" / (first.sweep.name or sweep_name(told))
    claim(folder, identity(told), ["convscope", name, "--multirun", *(choice.typed for choice in told)])
    states = {job.name: state(folder / job.name, config) for job, config in planned}
    say(f"sweep {folder}\n{_counted(states.values())}")
    others = [
        Outcome(job.name, "mistake", other_run(folder / job.name, config))
        for job, config in planned
        if states[job.name] == "other"
    ]
    pending = [job for job, _ in planned if states[job.name] in ("interrupted", "new")]
    gpus = gpus_of_jobs(first.launcher)
    try:
        ended = launch(JobRunner(command), name, chosen, folder, pending, config_dir, gpus) if pending else []
    except Interrupted as error:
        raise Interrupted(error.signal, f"{error}; the same sweep again goes on, and runs what is not done") from error
    _compare(folder)
    tell([*others, *ended])


def launch(
    task: Callable[[DictConfig], Any],
    name: str,
    chosen: tuple[str, dict[str, Any]],
    folder: Path,
    jobs: Sequence[Job],
    config_dir: str | None,
    gpus: Sequence[str] = (),
) -> list[Any]:
    """Run ``task`` for each job, by a launcher of Hydra's or by Ray.

    Args:
        task: Takes the job's configuration.
        name: Of the configuration.
        chosen: The launcher and its settings.
        folder: The sweep's.
        jobs: At least one.
        config_dir: A folder of the user's own options.
        gpus: Of which each job of joblib sees one.

    Returns:
        What ``task`` returned; an `Outcome` of a failure for a job whose process is gone.
    """
    hydra_name, settings = chosen
    plugin = "basic" if hydra_name == "ray" else hydra_name
    own = [f"hydra/launcher={plugin}", "hydra.mode=MULTIRUN", f"hydra.sweep.dir={quoted(str(folder))}"]
    with _hydra(name, config_dir) as hydra:
        config = hydra.compose_config(
            config_name=name, overrides=[*jobs[0].words, *own], run_mode=RunMode.MULTIRUN, with_log_configuration=False
        )
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(config))
        words = [[*job.words, f"hydra.sweep.subdir={quoted(job.name)}"] for job in jobs]
        if hydra_name == "ray":
            from convscope.commands.sweeps.on_ray import run_on_ray
            from convscope.commands.sweeps.ray_job import RayJob

            cwd, state = str(Path.cwd()), Singleton.get_state()
            told = [
                RayJob(task, context, config, job.name, tuple(own), number, cwd, state, os.environ.get(VARIABLE, ""))
                for number, (job, own) in enumerate(zip(jobs, words, strict=True))
            ]
            return run_on_ray(settings, folder, told)
        with open_dict(config):
            config.hydra.launcher = OmegaConf.merge(config.hydra.launcher, settings)
        launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=context,
            task_function=Stoppable(task) if hydra_name == "joblib" else task,
            config=config,
        )
        match hydra_name:
            case "basic":
                return [ended.return_value for ended in launcher.launch(words, initial_job_idx=0)]
            case "joblib":
                return _launch_in_a_pool(launcher, folder, jobs, words, gpus)
        from convscope.commands.sweeps.submission import submit

        return submit(launcher, folder, [job.name for job in jobs], words)


def _launch_in_a_pool(
    launcher: Any, folder: Path, pending: Sequence[Job], words: Sequence[Sequence[str]], gpus: Sequence[str]
) -> list[Outcome]:
    with workers() as pool, forwarding(pool.stop) as received:
        first = (str(pool.folder), launcher.joblib["n_jobs"], tuple(gpus))
        launcher.joblib |= {"initializer": begin_worker, "initargs": first}
        try:
            returned = [ended.return_value for ended in launcher.launch(words, initial_job_idx=0)]
        except Exception as error:
            # The process of a job is gone: killed, or out of memory. Folders tell which jobs have ended.
            lost = [job for job in pending if not (folder / job.name / "summary.json").is_file()]
            why = f"ended without a word of its own ({type(error).__name__}: {str(error).strip().splitlines()[0]})"
            returned = [Outcome(job.name, "failure", why) for job in lost]
    if received:
        raise Interrupted(received[0], "interrupted: the jobs that ran have saved their state")
    return returned


@contextmanager
def _hydra(name: str, config_dir: str | None) -> Iterator[Hydra]:
    """Hydra as its own main function would set it up."""
    setbase(HYDRA_VERSION_BASE)
    search_path = create_config_search_path(str(CONFIG_DIR))
    if config_dir is not None:
        search_path.prepend("command-line", f"file://{config_dir}", anchor=SearchPathQuery("schema"))
    GlobalHydra.instance().clear()
    try:
        yield Hydra.create_main_hydra2(task_name=name, config_search_path=search_path)
    finally:
        GlobalHydra.instance().clear()


def refuse(told: Sequence[Choice], configs: Sequence[Train]) -> None:
    """Refuse what no sweep can be.

    Raises:
        UserError: The jobs are told to lie in one folder, or choose where they run, or run on several devices here.
    """
    for choice in told:
        if choice.swept and choice.key.split(".")[0] in ("sweep", "launcher", "outputs", "hydra"):
            raise UserError(f"{choice.key}: a sweep has one, and no choice of it")
        if choice.key in ("folder", "resume"):
            raise UserError(
                f"{choice.words[0]}: the jobs of a sweep have folders of their own; name the sweep: sweep.name=... "
                "(the same command again resumes what was interrupted)"
            )
    for config in configs:
        devices, nodes = config.trainer.devices, config.trainer.nodes
        several = devices != 1 or nodes != 1
        if several and config.launcher.name in ("local", "joblib", "ray") and config.trainer.accelerator != "mps":
            raise UserError(
                f"trainer.devices={devices}: on several devices a process is started for each, and each would run the "
                "whole sweep; use launcher=submitit_local or launcher=slurm with launcher.gpus, or trainer.devices=1"
                + (" trainer.nodes=1" if nodes != 1 else "")
            )


def _counted(states: Iterable[State]) -> str:
    counts = Counter(states)
    parts = [f"{counts[state]} {words}" for state, words in COUNTED.items() if counts[state]]
    total = sum(counts.values())
    return f"{total} job{'s' * (total != 1)}: {', '.join(parts)}"


def _compare(folder: Path) -> None:
    from convscope.commands.sweeps.comparison import compare

    try:
        compare(folder)
    except OSError as error:
        if not full(error):
            raise
        warn(f"the disk of {folder} is full: the runs are not compared")


def tell(ended: Sequence[Outcome]) -> None:
    """Say which jobs went wrong, and end with the status that this makes.

    Raises:
        UserError: What went wrong is for the user to mend.
        SystemExit: Something else is among it.
    """
    busy = [outcome.job for outcome in ended if outcome.how == "busy"]
    if busy:
        warn(f"left to another process that was running them: {', '.join(busy)}")
    wrong = [outcome for outcome in ended if outcome.how in ("full", "mistake", "failure")]
    told = "\nerror: ".join(f"{outcome.message} (job: {outcome.job})" for outcome in wrong)
    if any(outcome.how == "failure" for outcome in wrong):
        print(f"error: {told}", file=sys.stderr)
        sys.exit(1)
    if wrong:
        raise UserError(told)
