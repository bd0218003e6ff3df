"""``sweep=tpe`` and ``sweep=random``: a sweep whose trials are chosen one after the other, by Optuna."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.commands.compose import Command, check_jobs
from convscope.commands.console import say, say_always, warn
from convscope.commands.sweeps.folder import claim
from convscope.commands.sweeps.job import Outcome, full
from convscope.commands.sweeps.jobs import Choice, Job, folder_name_of_keys, identity
from convscope.commands.sweeps.launchers import gpus_of_jobs, hydra_launcher
from convscope.commands.sweeps.launching import launch, refuse, tell
from convscope.commands.sweeps.space import Dimension, space
from convscope.config.sweep import Joblib, Local, Search, Slurm
from convscope.config.train import Train
from convscope.errors import Interrupted, UserError

if TYPE_CHECKING:
    from convscope.commands.sweeps.study import Study
    from convscope.commands.sweeps.worker import Worker

MOST_STARTS = 3  # of a launcher whose processes die before a trial has ended
WORKERS = ".workers"  # folder of what a launcher writes about its processes


def run_search(command: Command, name: str, told: Sequence[Choice], config_dir: str | None = None) -> None:
    """Run the trials of a search that are not finished, and compare all that are.

    Args:
        command: What each trial runs.
        name: Of the command: of its configuration.
        told: The words of the command line.
        config_dir: A folder of the user's own options.

    Raises:
        UserError: The search cannot be begun, or no trial of it could be completed.
    """
    base = _base(command, name, told, config_dir)
    search = base.sweep
    assert isinstance(search, Search)
    if importlib.util.find_spec("optuna") is None:
        raise UserError(
            f"sweep={search.kind}: is not installed; make setup extras=optuna, or pip install 'convscope[optuna]'"
        )
    from convscope.commands.sweeps.study import Study
    from convscope.commands.sweeps.worker import Worker

    refuse(told, [base])
    dimensions = space(told, search.space)
    fixed = [choice.typed for choice in told if not choice.swept]
    _check_all(command, name, fixed, dimensions, config_dir)
    count = _workers(base, search)
    chosen = hydra_launcher(base.launcher, base.trainer.devices, getattr(base.trainer, "nodes", 1))
    words = _identity(told, search, dimensions)
    keys = sorted(dimension.key.lstrip("+~") for dimension in dimensions)
    own = search.name or f"{search.kind}-{folder_name_of_keys(keys, '|'.join(words))}"
    folder = Path(base.outputs).expanduser().absolute() / "sweeps" / own
    claim(folder, words, ["convscope", name, "--multirun", *(choice.typed for choice in told)])
    try:
        study = Study(folder, search, dimensions)
        say(f"sweep {folder}\n{_counted(study)}")
        worker = Worker(command, name, folder, fixed, dimensions, search, config_dir)
        if isinstance(base.launcher, Local):
            ended = worker.work()
        else:
            ended = _launched(worker, study, chosen, count, fixed, gpus_of_jobs(base.launcher))
    except Interrupted as error:
        raise Interrupted(error.signal, f"{error}; the same sweep again goes on with its trials") from error
    except Exception as error:
        if full(error):
            raise UserError(f"the disk of {folder} is full; make room, then the same command") from error
        raise
    _close(folder, study, search, ended)


def _base(command: Command, name: str, told: Sequence[Choice], config_dir: str | None) -> Train:
    """The configuration of what is fixed, with the first of everything that is not."""
    (base,) = check_jobs(name, [Job(tuple(choice.words[0] for choice in told), "")], config_dir, command.SCHEMA)
    assert isinstance(base, Train)
    return base


def _check_all(
    command: Command, name: str, fixed: Sequence[str], dimensions: Sequence[Dimension], config_dir: str | None
) -> None:
    """See that each value, and each end of an interval, makes a valid configuration with the first of the others.

    Raises:
        UserError: One does not.
    """
    first = [dimension.probes[0] for dimension in dimensions]
    jobs = [Job((*fixed, *first), "")]
    for place, dimension in enumerate(dimensions):
        dimension.distribution()
        jobs += [Job((*fixed, *first[:place], probe, *first[place + 1 :]), "") for probe in dimension.probes[1:]]
    check_jobs(name, jobs, config_dir, command.SCHEMA)


def _workers(base: Train, search: Search) -> int:
    launcher = base.launcher
    if isinstance(launcher, Local):
        if search.workers not in (None, 1):
            raise UserError(
                f"sweep.workers={search.workers}: one process runs one trial at a time; use launcher=joblib, or start "
                "the same command several times"
            )
        return 1
    if isinstance(launcher, Slurm) and launcher.nodes * max(launcher.gpus, 1) > 1:
        raise UserError(
            f"launcher.gpus={launcher.gpus}: a trial of a search runs on one device; use launcher.gpus=1, or sweep=grid"
        )
    at_once = launcher.jobs if isinstance(launcher, Joblib) else launcher.at_once if isinstance(launcher, Slurm) else 1
    return search.workers or at_once


def _identity(told: Sequence[Choice], search: Search, dimensions: Sequence[Dimension]) -> list[str]:
    fixed = identity([choice for choice in told if not choice.swept])
    own = [f"sweep={search.kind}", f"sweep.metric={search.metric}", f"sweep.storage={search.storage}"]
    return [*fixed, *own, f"sweep.order={'lowest' if search.lowest else 'highest'}", *(d.word for d in dimensions)]


def _launched(
    worker: "Worker",
    study: "Study",
    chosen: tuple[str, dict[str, Any]],
    count: int,
    fixed: Sequence[str],
    gpus: Sequence[str],
) -> list[Outcome]:
    """Work in processes of a launcher; where they die, in others."""
    first = [dimension.probes[0] for dimension in worker.dimensions]
    starts, finished = 0, study.finished
    ended: list[Outcome] = []
    while True:
        processes = range(max(1, min(count, worker.told.trials - finished)))
        jobs = [Job((*fixed, *first), f"{WORKERS}/{number}") for number in processes]
        returned = launch(worker, worker.name, chosen, worker.folder, jobs, worker.config_dir, gpus)
        died = [outcome for outcome in returned if isinstance(outcome, Outcome)]
        ended += [outcome for outcomes in returned if not isinstance(outcomes, Outcome) for outcome in outcomes]
        starts = 1 if study.finished > finished else starts + 1
        finished = study.finished
        if not died or finished == worker.told.trials:
            return ended
        if starts == MOST_STARTS:
            return [*ended, *died]
        warn(f"a process of the search is gone ({died[0].message}); others go on with its trial")


def _counted(study: "Study") -> str:
    told = {"complete": "complete", "pruned": "pruned", "fail": "failed", "running": "begun"}
    counts = study.counts()
    parts = [f"{counts[state]} {words}" for state, words in told.items() if counts.get(state)]
    new = study.told.trials - sum(counts.values())
    return f"{study.told.trials} trials: {', '.join([*parts, *([f'{new} to run'] if new > 0 else [])])}"


def _close(folder: Path, study: "Study", search: Search, ended: Sequence[Outcome]) -> None:
    from convscope.commands.sweeps.comparison import compare
    from convscope.commands.sweeps.search_figures import draw

    draw(folder, study)
    compare(folder, search.metric, lowest=search.lowest)
    say(_counted(study))
    best = study.best()
    if best is not None:
        words = " ".join(study.words_of(best))
        say_always(f"best     {search.metric} {best.value:.4f}: {words} (trial {best.number})")
        for outcome in ended:
            if outcome.how == "mistake":
                warn(f"{outcome.job}: {outcome.message}")
        ended = [outcome for outcome in ended if outcome.how != "mistake"]
    tell(ended)
