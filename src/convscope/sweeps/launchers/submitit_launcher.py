"""Submits jobs with submitit, waits until all have ended, and returns their outcomes."""

import json
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton

from convscope.console import echo, warn
from convscope.errors import Interrupted, UserError
from convscope.runs.files import write_atomically
from convscope.runs.run_folder import RunFolder
from convscope.sweeps.job import Outcome
from convscope.sweeps.launchers.squeue import ENDED_STATES, queue, still_queued
from convscope.sweeps.launchers.submitit_job import SubmittedJob
from convscope.sweeps.stopping import on_first_signal

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


def submit(launcher: Any, folder: Path, names: Sequence[str], overrides: Sequence[Sequence[str]]) -> list[Any]:
    """Run jobs with Hydra's submitit launcher, whose own ``launch`` gives all jobs up when one ends without a result.

    A job that SLURM still has from an earlier command of the sweep is waited for, and not submitted again.

    Args:
        launcher: Hydra's launcher, set up.
        folder: Folder of the sweep.
        names: Names of the jobs' folders.
        overrides: Overrides of each job.

    Returns:
        Result of the task of each job; an `Outcome` of a failure for a job that ended without a result.

    Raises:
        UserError: SLURM refuses the jobs.
        Interrupted: A signal stopped the sweep, and its jobs, on this machine, have saved their state.
    """
    waiting: dict[str, Any] = {}
    on_slurm = launcher._EXECUTOR == "slurm"
    if on_slurm:
        waiting = _in_the_queue(folder, names, launcher.params["submitit_folder"])
        if waiting:
            echo(f"already queued, waiting for: {', '.join(waiting)}")
    state = Singleton.get_state()
    new = [
        SubmittedJob(launcher, name, tuple(job_overrides), number, state)
        for number, (name, job_overrides) in enumerate(zip(names, overrides, strict=True))
        if name not in waiting
    ]
    if new:
        with _ignoring_sigint():
            submitted = _submit(launcher, new)
        for job, description in zip(submitted, new, strict=True):
            waiting[description.name] = job
            if on_slurm:
                _write_job_number(folder / description.name, job.job_id)
    if not on_slurm:
        with _forwarding_to_jobs(waiting.values()) as received:
            outcomes = _wait(folder, waiting, lambda job: "ended" if job.done() else None)
        if received:
            raise Interrupted(received[0], "interrupted: the jobs have saved their state")
        return outcomes
    numbers = " ".join(sorted({job.job_id.split("_")[0] for job in waiting.values()}))
    echo(f"SLURM has the jobs as {numbers}; their output is in {folder / '.submitit'}")
    try:
        return _wait(folder, waiting, _slurm_state_reader())
    except KeyboardInterrupt:
        warn(f"the jobs keep running; `scancel {numbers}` ends them; run the same command again to wait for them")
        raise


def _submit(launcher: Any, jobs: Sequence[SubmittedJob]) -> list[Any]:
    """Submit the jobs as an array, and return submitit's jobs; raise UserError if sbatch refuses them."""
    from submitit import AutoExecutor
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    name, parameters = launcher._EXECUTOR, dict(launcher.params)
    executor_parameters = {f"{name}_{key}": parameters.pop(key) for key in ("max_num_timeout",) if key in parameters}
    executor = AutoExecutor(parameters.pop("submitit_folder"), cluster=name, **executor_parameters)
    executor.update_parameters(
        **{key if key in SHARED_PARAMETERS else f"{name}_{key}": value for key, value in parameters.items()}
    )
    try:
        return list(executor.submit_array(jobs))
    except (FailedJobError, FailedSubmissionError) as error:
        errors = [line for line in str(error).splitlines() if "sbatch: error:" in line]
        why = " ".join(line.replace("sbatch: error:", "").strip() for line in errors) or str(error).strip()
        raise UserError(f"launcher=slurm: sbatch refuses the jobs: {why}") from error


def _wait(folder: Path, waiting: dict[str, Any], how_ended: HowEnded) -> list[Any]:
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


@contextmanager
def _forwarding_to_jobs(jobs: Iterable[Any]) -> Iterator[list[int]]:
    """Forward the first signal to the jobs of this machine, as SIGTERM; yield the list of signals received."""
    processes = [job._process for job in jobs]

    def stop() -> None:
        for process in processes:
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)

    with on_first_signal(stop) as received:
        yield received
