"""One job of a sweep, in whatever process it runs: begin it, go on with it, or leave it alone."""

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
from convscope.engine.resume import CHANGEABLE
from convscope.errors import Pruned, UserError
from convscope.masking import mask_text
from convscope.runs.run_folder import RunFolder
from convscope.sweeps.folder import differences, job_state, write_requested_config

RUNNING_FILE = ".running"  # locked while a process runs the job


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        job: Its folder's name.
        how: ``pruned`` by a search; ``busy`` where another process runs it; ``full`` where the disk is, ``mistake`` for
            what else the user can mend, ``failure`` otherwise.
        message: What went wrong.
    """

    job: str
    status: Literal["complete", "pruned", "busy", "full", "mistake", "failure"]
    message: str = ""


@dataclass(frozen=True)
class JobRunner:
    """What a launcher runs for each job, in this process or in another."""

    command: Command

    def __call__(self, config: DictConfig) -> Outcome:
        """Run the job whose configuration Hydra has composed."""
        folder = Path(HydraConfig.get().runtime.output_dir)
        try:
            checked = validate(config, self.command.SCHEMA)
        except UserError as error:
            return Outcome(folder.name, "mistake", str(error))
        return run_job(folder, checked, job_overrides(), self.command.run)


def run_job(
    folder: Path, config: Config, overrides: Sequence[str], run: Callable[[Any, Sequence[str]], None]
) -> Outcome:
    """Do what is left of the job ``folder``. What goes wrong in it is told, and is raised only where it ends all.

    Raises:
        Interrupted, KeyboardInterrupt: Somebody asked for an end.
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
        outcome = Outcome(folder.name, "mistake", str(error))
    except Exception as error:
        if is_disk_full(error):
            why = f"the disk of {folder} is full; make room, then the same command"
            outcome = Outcome(folder.name, "full", why)
        else:
            print(mask_text(traceback.format_exc()), end="", file=sys.stderr)
            outcome = Outcome(folder.name, "failure", f"{type(error).__name__}: {error}")
    _note_failure(folder, overrides, outcome.message)
    return outcome


def _note_failure(folder: Path, overrides: Sequence[str], message: str) -> None:
    """Let the comparison of the sweep name the job, though it failed before there was a run."""
    run = RunFolder(folder)
    if folder.is_dir() and run.read_config() is None and not is_follower():
        run.write_status("failed", message=message, command=f"# convscope train {shlex.join(overrides)}")


def _run(folder: Path, config: Config, overrides: Sequence[str], run: Callable[[Any, Sequence[str]], None]) -> Outcome:
    match job_state(folder, config):
        case "complete":  # by another process, since the jobs were counted
            return Outcome(folder.name, "complete")
        case "other":
            raise UserError(other_run(folder, config))
        case "interrupted":
            echo(f"\n{folder.name}: goes on")
            free = [word for word in overrides if _changeable(word)]
            run(config.model_copy(update={"resume": str(folder)}), free)
        case "new":
            echo(f"\n{folder.name}")
            if not is_follower():
                write_requested_config(folder, config)
            run(config, overrides)
    give_back_freed()
    return Outcome(folder.name, "complete")


def is_follower() -> bool:
    """Whether this process is a further one of a job that a cluster gave several, of which the first has the lock."""
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1 and os.environ.get("SLURM_PROCID", "0") != "0"


def other_run(folder: Path, config: Config) -> str:
    """What is wrong where a job's folder holds a run of another configuration."""
    told = "; ".join(differences(folder, config)[:3])
    return (
        f"{folder} holds a run of another configuration{f' ({told})' if told else ''}; choose another sweep.name, or "
        "remove that folder"
    )


def is_disk_full(error: BaseException | None) -> bool:
    """Whether a full disk is at the bottom of ``error``."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "disk is full" in str(error):  # SQLite's word
            return True
        error = error.__cause__ or error.__context__
    return False


def report_outcomes(ended: Sequence[Outcome]) -> None:
    """Say which jobs went wrong, and end with the status that this makes.

    Raises:
        UserError: What went wrong is for the user to mend.
        SystemExit: Something else is among it.
    """
    busy = [outcome.job for outcome in ended if outcome.status == "busy"]
    if busy:
        warn(f"left to another process that was running them: {', '.join(busy)}")
    wrong = [outcome for outcome in ended if outcome.status in ("full", "mistake", "failure")]
    told = "\nerror: ".join(f"{outcome.message} (job: {outcome.job})" for outcome in wrong)
    if any(outcome.status == "failure" for outcome in wrong):
        print(f"error: {told}", file=sys.stderr)
        sys.exit(1)
    if wrong:
        raise UserError(told)


def _changeable(word: str) -> bool:
    key = word.split("=")[0].lstrip("+~")
    return any(key == free or key.startswith(f"{free}.") for free in CHANGEABLE)
