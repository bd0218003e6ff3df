"""Runs one job of a sweep, in whichever process: starts it, resumes it, or leaves it alone."""

import errno
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from convscope.composition.command import Command
from convscope.composition.compose import validate
from convscope.composition.current_job import job_overrides
from convscope.config.base import Config
from convscope.console import echo, warn
from convscope.engine.allocator import give_back_freed
from convscope.engine.resume import CHANGEABLE_KEYS
from convscope.errors import Pruned, UserError
from convscope.masking import mask_text
from convscope.runs.run_folder import RunFolder
from convscope.sweeps.folder import differences, job_state, write_requested_config

RUNNING_FILE = ".running"  # locked while a process runs the job


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        job: Name of the job's folder.
        status: ``complete``; ``pruned`` by a search; ``busy`` if another process runs the job; ``full`` if the disk is
            full; ``user_error`` for any other error that the user can fix; ``failed`` otherwise.
        message: What went wrong; empty for nothing.
    """

    job: str
    status: Literal["complete", "pruned", "busy", "full", "user_error", "failed"]
    message: str = ""


@dataclass(frozen=True)
class JobRunner:
    """The task that a launcher runs for each job, in this process or in another.

    Attributes:
        command: Command that each job runs.
    """

    command: Command

    def __call__(self, config: DictConfig) -> Outcome:
        """Run the job of the configuration that Hydra has composed."""
        folder = Path(HydraConfig.get().runtime.output_dir)
        try:
            checked = validate(config, self.command.SCHEMA)
        except UserError as error:
            return Outcome(folder.name, "user_error", str(error))
        return run_job(folder, checked, job_overrides(), self.command.run)


def run_job(
    folder: Path, config: Config, overrides: Sequence[str], run: Callable[[Any, Sequence[str]], None]
) -> Outcome:
    """Run what is left of the job in ``folder``, and return how it ended; only signals are raised, errors are not.

    Args:
        folder: Folder of the job.
        config: Configuration of the job.
        overrides: Overrides of the job.
        run: Function of the command that runs a configuration with its overrides.

    Raises:
        Interrupted, KeyboardInterrupt: A signal or Ctrl-C stopped the process.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if is_follower():
            return _run(folder, config, overrides, run)
        with FileLock(folder / RUNNING_FILE).acquire(timeout=0):
            return _run(folder, config, overrides, run)
    except Timeout:
        echo(f"{folder.name}: another process runs it")
        return Outcome(folder.name, "busy")
    except Pruned as error:
        echo(f"{folder.name}: {error}")
        return Outcome(folder.name, "pruned", str(error))
    except UserError as error:
        outcome = Outcome(folder.name, "user_error", str(error))
    except Exception as error:
        if is_disk_full(error):
            why = f"the disk of {folder} is full; free some space, then run the same command again"
            outcome = Outcome(folder.name, "full", why)
        else:
            print(mask_text(traceback.format_exc()), end="", file=sys.stderr)
            outcome = Outcome(folder.name, "failed", f"{type(error).__name__}: {error}")
    _note_failure(folder, overrides, outcome.message)
    return outcome


def _note_failure(folder: Path, overrides: Sequence[str], message: str) -> None:
    """Write a status for a job that failed before its run began, so that the comparison lists it."""
    run = RunFolder(folder)
    if folder.is_dir() and run.read_config() is None and not is_follower():
        run.write_status("failed", message=message, command=f"# convscope train {shlex.join(overrides)}")


def _run(folder: Path, config: Config, overrides: Sequence[str], run: Callable[[Any, Sequence[str]], None]) -> Outcome:
    """Start or resume the job, according to the state of its folder."""
    match job_state(folder, config):
        case "complete":  # completed by another process after the jobs were counted
            return Outcome(folder.name, "complete")
        case "other":
            raise UserError(other_run_message(folder, config))
        case "interrupted":
            echo(f"\n{folder.name}: resuming")
            changeable = [override for override in overrides if _changeable(override)]
            run(config.model_copy(update={"resume": str(folder)}), changeable)
        case "new":
            echo(f"\n{folder.name}")
            if not is_follower():
                write_requested_config(folder, config)
            run(config, overrides)
    give_back_freed()
    return Outcome(folder.name, "complete")


def is_follower() -> bool:
    """Return whether this process is one of several of a SLURM job step, and not the first, which takes the lock."""
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1 and os.environ.get("SLURM_PROCID", "0") != "0"


def other_run_message(folder: Path, config: Config) -> str:
    """Return the error for a folder that holds a run of another configuration."""
    changes = "; ".join(differences(folder, config)[:3])
    return (
        f"{folder} holds a run of another configuration{f' ({changes})' if changes else ''}; "
        "choose another sweep.name, or remove that folder"
    )


def is_disk_full(error: BaseException | None) -> bool:
    """Return whether ``error``, or an error that caused it, says that the disk is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "disk is full" in str(error):  # the message of SQLite
            return True
        error = error.__cause__ or error.__context__
    return False


def report_outcomes(ended: Sequence[Outcome]) -> None:
    """Print which jobs went wrong, and end the process with the matching exit status.

    Raises:
        UserError: All errors are ones that the user can fix.
        SystemExit: At least one job failed otherwise.
    """
    busy = [outcome.job for outcome in ended if outcome.status == "busy"]
    if busy:
        warn(f"skipped, since another process runs them: {', '.join(busy)}")
    wrong = [outcome for outcome in ended if outcome.status in ("full", "user_error", "failed")]
    messages = "\nerror: ".join(f"{outcome.message} (job: {outcome.job})" for outcome in wrong)
    if any(outcome.status == "failed" for outcome in wrong):
        print(f"error: {messages}", file=sys.stderr)
        sys.exit(1)
    if wrong:
        raise UserError(messages)


def _changeable(override: str) -> bool:
    """Return whether an override sets a key that may change when a run is resumed."""
    key = override.split("=")[0].lstrip("+~")
    return any(key == allowed or key.startswith(f"{allowed}.") for allowed in CHANGEABLE_KEYS)
