"""Runs a sweep: determines which jobs are done, runs the others, and compares them all."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from convscope.console import echo, warn
from convscope.errors import Interrupted
from convscope.sweeps.comparison import compare
from convscope.sweeps.folder import JobState, claim_folder, job_state
from convscope.sweeps.job import JobRunner, Outcome, is_disk_full, other_run_message, report_outcomes
from convscope.sweeps.launchers.launcher import SweepJobs
from convscope.sweeps.plan import SweepPlan

STATE_NAMES: dict[JobState, str] = {
    "complete": "complete",
    "interrupted": "to resume",
    "new": "to run",
    "other": "of another configuration",
}


def run_sweep(plan: SweepPlan) -> None:
    """Run the jobs of a sweep that are not done, and compare all runs.

    Raises:
        UserError: The folder belongs to another sweep; or, after all other jobs have run, a job met an error that the
            user can fix.
        Interrupted: A signal stopped the sweep.
    """
    folder = plan.folder
    claim_folder(folder, plan.identity, plan.command_line)
    states = {job.name: job_state(folder / job.name, config) for job, config in plan.jobs}
    echo(f"sweep {folder}\n{_counted(states.values())}")
    others = [
        Outcome(job.name, "user_error", other_run_message(folder / job.name, config))
        for job, config in plan.jobs
        if states[job.name] == "other"
    ]
    pending = [job for job, _ in plan.jobs if states[job.name] in ("interrupted", "new")]
    ended: list[Outcome] = []
    try:
        if pending:
            runner = JobRunner(plan.command)
            ended = plan.launcher.run(SweepJobs(runner, plan.config_name, folder, pending, plan.config_dir))
    except Interrupted as error:
        raise Interrupted(error.signal, f"{error}; run the same command again to resume the sweep") from error
    _compare(folder)
    report_outcomes([*others, *ended])


def _counted(states: Iterable[JobState]) -> str:
    """Return the number of jobs in each state, for the console."""
    counts = Counter(states)
    parts = [f"{counts[state]} {name}" for state, name in STATE_NAMES.items() if counts[state]]
    total = sum(counts.values())
    return f"{total} job{'s' * (total != 1)}: {', '.join(parts)}"


def _compare(folder: Path) -> None:
    """Compare the runs; only warn if the disk is full."""
    try:
        compare(folder)
    except OSError as error:
        if not is_disk_full(error):
            raise
        warn(f"the disk of {folder} is full: the runs are not compared")
