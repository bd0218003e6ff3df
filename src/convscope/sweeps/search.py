"""``sweep=tpe`` and ``sweep=random``: sweeps whose trials Optuna chooses one after the other."""

from collections.abc import Sequence
from pathlib import Path

from convscope.composition.jobs import Job
from convscope.config.sweep import SearchConfig
from convscope.console import echo, echo_always, warn
from convscope.errors import Interrupted, UserError
from convscope.sweeps.comparison import compare
from convscope.sweeps.folder import claim_folder
from convscope.sweeps.job import Outcome, is_disk_full, report_outcomes
from convscope.sweeps.launchers.launcher import SweepJobs
from convscope.sweeps.search_figures import draw
from convscope.sweeps.search_plan import SearchPlan
from convscope.sweeps.study import SearchStudy
from convscope.sweeps.worker import SearchWorker

MAX_STARTS = 3  # starts of a launcher in a row whose processes die before any trial is finished
WORKERS = ".workers"  # folder of the files that a launcher writes about its processes


def run_search(plan: SearchPlan) -> None:
    """Run the trials of a search that are not finished, and compare all of them.

    Raises:
        UserError: The folder belongs to another search, the disk is full, or no trial could be completed.
        Interrupted: A signal stopped the search.
    """
    folder, search = plan.folder, plan.search
    claim_folder(folder, plan.identity, plan.command_line)
    try:
        study = SearchStudy(folder, search, plan.dimensions)
        echo(f"sweep {folder}\n{_counted(study)}")
        worker = SearchWorker(
            plan.command, plan.config_name, folder, plan.fixed, plan.dimensions, search, plan.config_dir
        )
        ended = worker.work() if plan.launcher.in_this_process else _work_in_launcher(worker, study, plan)
    except Interrupted as error:
        raise Interrupted(error.signal, f"{error}; run the same command again to resume the search") from error
    except Exception as error:
        if is_disk_full(error):
            raise UserError(
                f"the disk of {folder} is full; free some space, then run the same command again"
            ) from error
        raise
    _finish(folder, study, search, ended)


def _work_in_launcher(worker: SearchWorker, study: SearchStudy, plan: SearchPlan) -> list[Outcome]:
    """Run the workers of the search in processes of a launcher; start others if some of them die.

    Returns:
        Outcomes of the trials, and of the workers that died if ``MAX_STARTS`` starts in a row finished no trial.
    """
    first = [dimension.probes[0] for dimension in worker.dimensions]
    starts, finished = 0, study.finished
    ended: list[Outcome] = []
    while True:
        processes = range(max(1, min(plan.workers, worker.search.trials - finished)))
        jobs = [Job((*plan.fixed, *first), f"{WORKERS}/{number}") for number in processes]
        returned = plan.launcher.run(SweepJobs(worker, plan.config_name, plan.folder, jobs, plan.config_dir))
        died = [outcome for outcome in returned if isinstance(outcome, Outcome)]
        ended += [outcome for outcomes in returned if not isinstance(outcomes, Outcome) for outcome in outcomes]
        starts = 1 if study.finished > finished else starts + 1
        finished = study.finished
        if not died or finished == worker.search.trials:
            return ended
        if starts == MAX_STARTS:
            return [*ended, *died]
        warn(f"a search process died ({died[0].message}); another resumes its trial")


def _counted(study: SearchStudy) -> str:
    """Return the number of trials in each state, for the console."""
    state_names = {"complete": "complete", "pruned": "pruned", "fail": "failed", "running": "begun"}
    counts = study.counts()
    parts = [f"{counts[state]} {name}" for state, name in state_names.items() if counts.get(state)]
    new = study.config.trials - sum(counts.values())
    return f"{study.config.trials} trials: {', '.join([*parts, *([f'{new} to run'] if new > 0 else [])])}"


def _finish(folder: Path, study: SearchStudy, search: SearchConfig, ended: Sequence[Outcome]) -> None:
    """Draw the figures, compare the trials, print the best one, and report errors."""
    draw(folder, study)
    compare(folder, search.metric, lowest=search.lowest)
    echo(_counted(study))
    best = study.best()
    if best is not None:
        overrides = " ".join(override.lstrip("+") for override in study.overrides_of(best))  # as they were typed
        echo_always(f"best     {search.metric} {best.value:.4f}: {overrides} (trial {best.number})")
        for outcome in ended:
            if outcome.status == "user_error":
                warn(f"{outcome.job}: {outcome.message}")
        ended = [outcome for outcome in ended if outcome.status != "user_error"]
    report_outcomes(ended)
