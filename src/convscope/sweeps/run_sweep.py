"""A whole sweep: which of its jobs are done, run the others, and compare them all."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from convscope.console import echo, warn
from convscope.errors import Interrupted
from convscope.sweeps.comparison import compare
from convscope.sweeps.folder import State, claim, job_state
from convscope.sweeps.job import JobRunner, Outcome, is_disk_full, other_run, report_outcomes
from convscope.sweeps.launchers.launch import launch
from convscope.sweeps.plan import SweepPlan

COUNTED: dict[State, str] = {
    "complete": "complete",
    "interrupted": "to resume",
    "new": "to run",
    "other": "of another configuration",
}


def run_sweep(plan: SweepPlan) -> None:
    """Run what is not done of a sweep, and compare all that is.

    Raises:
        UserError: The folder is another sweep's; or a job met a mistake of the user's, after the others have run.
    """
    folder = plan.folder
    claim(folder, plan.identity, plan.command_line)
    states = {job.name: job_state(folder / job.name, config) for job, config in plan.jobs}
    echo(f"sweep {folder}\n{_counted(states.values())}")
    others = [
        Outcome(job.name, "mistake", other_run(folder / job.name, config))
        for job, config in plan.jobs
        if states[job.name] == "other"
    ]
    pending = [job for job, _ in plan.jobs if states[job.name] in ("interrupted", "new")]
    ended: list[Outcome] = []
    try:
        if pending:
            runner = JobRunner(plan.command)
            ended = launch(runner, plan.name, plan.launcher, folder, pending, plan.config_dir, plan.gpus)
    except Interrupted as error:
        raise Interrupted(error.signal, f"{error}; the same sweep again goes on, and runs what is not done") from error
    _compare(folder)
    report_outcomes([*others, *ended])


def _counted(states: Iterable[State]) -> str:
    counts = Counter(states)
    parts = [f"{counts[state]} {words}" for state, words in COUNTED.items() if counts[state]]
    total = sum(counts.values())
    return f"{total} job{'s' * (total != 1)}: {', '.join(parts)}"


def _compare(folder: Path) -> None:
    try:
        compare(folder)
    except OSError as error:
        if not is_disk_full(error):
            raise
        warn(f"the disk of {folder} is full: the runs are not compared")
