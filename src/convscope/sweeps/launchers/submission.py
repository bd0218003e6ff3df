"""Submits jobs with submitit, to SLURM or to processes of this machine, and waits until all have ended."""

import signal
import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convscope.composition.hydra_internals import executor_of, hydra_state
from convscope.console import echo
from convscope.runs.run_folder import RunFolder
from convscope.sweeps.job import Outcome
from convscope.sweeps.launchers.launcher import SweepJobs
from convscope.sweeps.launchers.submitit_job import SubmittedJob

QUEUED_FILE = ".queued.json"  # in the folder of a job: its number in the queue
MAX_POLL_INTERVAL = 30.0  # seconds between two queries to SLURM
# Seconds until a job without a result is given up: long enough for a second query to confirm that it has ended (the
# first may fall between two states), and for the file of another node to become visible.
GIVE_UP_AFTER = 1.5 * MAX_POLL_INTERVAL
# Parameters that submitit has for every executor; all others are prefixed with the name of the executor.
SHARED_PARAMETERS = (
    "name", "timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node", "stderr_to_stdout",
)  # fmt: skip

HowEnded = Callable[[Any], str | None]  # of submitit's job: how it ended; None while it has not


def submit(plugin: Any, sweep: SweepJobs, excluded: Container[str] = ()) -> dict[str, Any]:
    """Submit jobs as an array; Hydra's own ``launch`` would give all of them up when one ends without a result.

    Args:
        plugin: Hydra's submitit launcher, set up.
        sweep: The jobs.
        excluded: Names of jobs that are not submitted.

    Returns:
        submitit's jobs, by name.
    """
    state = hydra_state()
    jobs = [
        SubmittedJob(plugin, job.name, tuple(overrides), number, state)
        for number, (job, overrides) in enumerate(zip(sweep.jobs, sweep.overrides, strict=True))
        if job.name not in excluded
    ]
    if not jobs:
        return {}
    from submitit import AutoExecutor

    name, parameters = executor_of(plugin), dict(plugin.params)
    executor_parameters = {f"{name}_{key}": parameters.pop(key) for key in ("max_num_timeout",) if key in parameters}
    executor = AutoExecutor(parameters.pop("submitit_folder"), cluster=name, **executor_parameters)
    executor.update_parameters(
        **{key if key in SHARED_PARAMETERS else f"{name}_{key}": value for key, value in parameters.items()}
    )
    with _ignoring_sigint():
        submitted = executor.submit_array(jobs)
    return {job.name: running for job, running in zip(jobs, submitted, strict=True)}


def wait(folder: Path, waiting: dict[str, Any], how_ended: HowEnded) -> list[Any]:
    """Wait until all jobs have ended, and return their results in order."""
    outcomes: dict[str, Any] = {}
    ended_at: dict[str, float] = {}
    while len(outcomes) < len(waiting):
        for name, job in waiting.items():
            if name in outcomes:
                continue
            outcome = _result(name, job)
            if outcome is None:
                how = how_ended(job)
                if how is None:
                    ended_at.pop(name, None)
                    continue
                since = ended_at.setdefault(name, time.monotonic())
                if how != "ended" and time.monotonic() - since < GIVE_UP_AFTER:
                    continue
                outcome = _result(name, job) or _outcome_without_result(folder / name, job, how)
            outcomes[name] = outcome
            (folder / name / QUEUED_FILE).unlink(missing_ok=True)
            if isinstance(outcome, Outcome):
                echo(f"{name}: {outcome.status.replace('_', ' ')}{f' ({outcome.message})' if outcome.message else ''}")
        if len(outcomes) < len(waiting):
            time.sleep(0.5)
    return [outcomes[name] for name in waiting]


def _result(name: str, job: Any) -> Any:
    """Return the result of the job's first process; None while there is none."""
    first = job.task(0)
    if not first.paths.result_pickle.exists():
        return None
    how, result = first._get_outcome_and_result()
    if how == "success":
        return result
    return Outcome(name, "failed", f"{result.strip().splitlines()[-1]}; its output is in {job.paths.folder}")


def _outcome_without_result(folder: Path, job: Any, state: str) -> Outcome:
    """Return the outcome of a job that was ended from outside, judged by its folder."""
    run = RunFolder(folder)
    if run.complete:
        return Outcome(folder.name, "complete")
    status = run.read_status() or {}
    saved = ", its state saved" if status.get("status") == "interrupted" else ""
    return Outcome(
        folder.name, "failed",
        f"{state if state != 'ended' else 'its process is gone'}{saved}; run the same command again to resume it; "
        f"its output is in {job.paths.folder}",
    )  # fmt: skip


@contextmanager
def _ignoring_sigint() -> Iterator[None]:
    """Let processes that are started inside the context ignore Ctrl-C, which a terminal sends to all.

    They are stopped by SIGTERM instead.
    """
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
