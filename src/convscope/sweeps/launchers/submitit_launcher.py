"""Hand jobs to submitit, wait until all have ended, and tell what each came to."""

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
from convscope.sweeps.launchers.squeue import ENDED, queue, still_queued
from convscope.sweeps.launchers.submitit_job import SubmittedJob
from convscope.sweeps.stopping import forwarding

QUEUED_FILE = ".queued.json"  # of a job: its number in the queue
LONGEST_PAUSE = 30.0  # seconds between two questions to SLURM
# Seconds until a job without a result is given up: two answers say that it has ended (one may be of a moment between
# two states), and a file of another node has been seen.
PATIENCE = 1.5 * LONGEST_PAUSE
# Parameters that submitit has for every executor; its others have the executor's name before them.
COMMON = (
    "name", "timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node", "stderr_to_stdout",
)  # fmt: skip

HowEnded = Callable[[Any], str | None]  # of a job of submitit: how it ended, None while it has not


def submit(launcher: Any, folder: Path, names: Sequence[str], overrides: Sequence[Sequence[str]]) -> list[Any]:
    """Run jobs by Hydra's launcher of submitit. Its own ``launch`` gives all up when one job ends without a result.

    A job that SLURM still has from an earlier command of the sweep is waited for, and not submitted again.

    Args:
        launcher: Set up.
        folder: The sweep's.
        names: Of the jobs' folders.
        words: Overrides of each job.

    Returns:
        What the task of each job returned; an `Outcome` that tells of its failure for a job that was ended before.

    Raises:
        UserError: SLURM refuses the jobs.
        Interrupted: A signal asked for an end, and the jobs, on this machine, have saved their state.
    """
    waiting: dict[str, Any] = {}
    on_slurm = launcher._EXECUTOR == "slurm"
    if on_slurm:
        waiting = _in_the_queue(folder, names, launcher.params["submitit_folder"])
        if waiting:
            echo(f"in the queue already, and waited for: {', '.join(waiting)}")
    state = Singleton.get_state()
    new = [
        SubmittedJob(launcher, name, tuple(own), number, state)
        for number, (name, own) in enumerate(zip(names, overrides, strict=True))
        if name not in waiting
    ]
    if new:
        with _deaf_to_interrupts():
            submitted = _submit(launcher, new)
        for job, told in zip(submitted, new, strict=True):
            waiting[told.name] = job
            if on_slurm:
                _note(folder / told.name, job.job_id)
    if not on_slurm:
        with _handed_on(waiting.values()) as received:
            outcomes = _wait(folder, waiting, lambda job: "ended" if job.done() else None)
        if received:
            raise Interrupted(received[0], "interrupted: the jobs have saved their state")
        return outcomes
    numbers = " ".join(sorted({job.job_id.split("_")[0] for job in waiting.values()}))
    echo(f"SLURM has the jobs as {numbers}; their output is in {folder / '.submitit'}")
    try:
        return _wait(folder, waiting, _asked_of_slurm())
    except KeyboardInterrupt:
        warn(f"the jobs go on; `scancel {numbers}` ends them, and the same command again waits for them")
        raise


def _submit(launcher: Any, jobs: Sequence[SubmittedJob]) -> list[Any]:
    from submitit import AutoExecutor
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    name, told = launcher._EXECUTOR, dict(launcher.params)
    first = {f"{name}_{key}": told.pop(key) for key in ("max_num_timeout",) if key in told}
    executor = AutoExecutor(told.pop("submitit_folder"), cluster=name, **first)
    executor.update_parameters(**{key if key in COMMON else f"{name}_{key}": value for key, value in told.items()})
    try:
        return list(executor.submit_array(jobs))
    except (FailedJobError, FailedSubmissionError) as error:
        said = [line for line in str(error).splitlines() if "sbatch: error:" in line]
        why = " ".join(line.replace("sbatch: error:", "").strip() for line in said) or str(error).strip()
        raise UserError(f"launcher=slurm: sbatch refuses the jobs: {why}") from error


def _wait(folder: Path, waiting: dict[str, Any], how_ended: HowEnded) -> list[Any]:
    """What became of the jobs, in their order, once all have ended."""
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
                if how != "ended" and time.monotonic() - since < PATIENCE:
                    continue
                outcome = _result(name, job) or _without_a_word(folder / name, job, how)
            outcomes[name] = outcome
            (folder / name / QUEUED_FILE).unlink(missing_ok=True)
            if isinstance(outcome, Outcome):
                echo(f"{name}: {outcome.status}{f' ({outcome.message})' if outcome.message else ''}")
        if len(outcomes) < len(waiting):
            time.sleep(0.5)
    return [outcomes[name] for name in waiting]


def _result(name: str, job: Any) -> Any:
    """What the task returned in the job's first process; None while it has not."""
    first = job.task(0)
    if not first.paths.result_pickle.exists():
        return None
    how, result = first._get_outcome_and_result()
    if how == "success":
        return result
    return Outcome(name, "failure", f"{result.strip().splitlines()[-1]}; its output is in {job.paths.folder}")


def _without_a_word(folder: Path, job: Any, state: str) -> Outcome:
    """Of a job that was ended from outside: its folder tells how far it came."""
    run = RunFolder(folder)
    if run.complete:
        return Outcome(folder.name, "complete")
    status = run.read_status() or {}
    saved = ", its state saved" if status.get("status") == "interrupted" else ""
    return Outcome(
        folder.name, "failure",
        f"{state if state != 'ended' else 'its process is gone'}{saved}; the same sweep again goes on with it; its "
        f"output is in {job.paths.folder}",
    )  # fmt: skip


def _asked_of_slurm() -> HowEnded:
    """Asks for all jobs at once, soon at first and then every half minute."""
    known: dict[str, str] | None = None
    began = asked = time.monotonic()

    def how_ended(job: Any) -> str | None:
        nonlocal known, asked
        now = time.monotonic()
        if now - asked > min(LONGEST_PAUSE, max(2.0, (now - began) / 4)):
            known, asked = queue(), now
        if known is None:  # not asked yet, or the controller does not answer
            return None
        state = known.get(job.job_id)
        return "SLURM has forgotten it" if state is None else f"SLURM: {state}" if state in ENDED else None

    return how_ended


def _in_the_queue(folder: Path, names: Sequence[str], logs: str) -> dict[str, Any]:
    """Jobs of ``names`` that an earlier command has submitted and that have not ended."""
    from submitit.slurm.slurm import SlurmJob

    numbers = {}
    for name in names:
        with suppress(OSError, ValueError):
            numbers[name] = str(json.loads((folder / name / QUEUED_FILE).read_text(encoding="utf-8")))
    alive = still_queued() if numbers else {}
    return {name: SlurmJob(folder=logs, job_id=number) for name, number in numbers.items() if number in alive}


def _note(folder: Path, number: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / QUEUED_FILE, f"{json.dumps(number)}\n".encode())


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes that are started within do not hear Ctrl-C, which a terminal sends to all: they are told otherwise."""
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
def _handed_on(jobs: Iterable[Any]) -> Iterator[list[int]]:
    """Hand what asks for an end on to the jobs of this machine, as SIGTERM. Yields the signals that came."""
    processes = [job._process for job in jobs]

    def stop() -> None:
        for process in processes:
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)

    with forwarding(stop) as received:
        yield received
