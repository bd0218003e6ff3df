"""Starts and finishes runs of Weights & Biases (wandb), without prompts, hangs or console output."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from convscope import hub
from convscope.runs.files import readable_path
from convscope.runs.run_folder import RunFolder
from convscope.tracking.replay import Row
from convscope.tracking.wandb_log import STEP, logged_events
from convscope.tracking.wandb_logger import ResumableWandbLogger
from convscope.tracking.wandb_settings import key_configured, requested_mode
from convscope.without_imports import without_imports

Mode = Literal["auto", "offline", "online"]

START_SECONDS = 15.0  # limit for starting a run on a server; wandb's own: 90 s to start, none to finish
FINISH_SECONDS = 60.0
DATA_DIR = "WANDB_DATA_DIR"
DATA = os.path.join("wandb", "data")  # in the run's folder
WRITE_SECONDS = 0.1  # from an event to the disk; with wandb's own 15 s, a killed process would lose as much
BEST = {"loss": "min", "accuracy": "max", "f1": "max", "auroc": "max"}  # value of a curve in the run's summary


def start(
    folder: RunFolder,
    *,
    project: str,
    run_name: str,
    entity: str | None = None,
    group: str | None = None,
    tags: Sequence[str] = (),
    mode: Mode = "auto",
    kept: Sequence[Row] | None = None,
) -> tuple[ResumableWandbLogger, list[str]]:
    """Start the wandb run of ``folder``, or continue it; its files are in ``<run folder>/wandb``.

    If there is no key or no server answers, the run is offline from the beginning.

    Args:
        folder: The run's folder.
        project: Project in wandb.
        run_name: Name of the run.
        entity: User or team.
        group: Group of runs that belong together.
        tags: Tags of the run.
        mode: ``auto``, ``offline`` or ``online``; ``online`` does not check the network first.
        kept: The scalars of a resumed run up to its checkpoint. wandb gets those that it lacks; later scalars that it
            already has are not sent again.

    Returns:
        The logger, and notices for the user: the address of the run, or why it is offline and how to upload it.
    """
    # Set before wandb starts its service. Otherwise the service sends error reports to the server, prints errors
    # if that fails, and waits for it at the end.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    _keep_files_with(folder)
    import wandb

    setup: Any = wandb.setup(settings=wandb.Settings(silent=True))
    base_url = str(setup.settings.base_url)
    offline = _why_offline(mode, base_url)
    if wandb.run is not None:  # left open by an earlier job in this process
        with contextlib.suppress(Exception):
            _finish(wandb.run, 1)
    run_id = folder.read_trackers().get("wandb", {}).get("id")
    known = [] if kept is None or run_id is None else logged_events(folder.path, run_id)
    arguments: dict[str, Any] = {
        "project": project,
        "entity": entity,
        "name": run_name,
        "group": group,
        "tags": list(tags),
        "dir": str(folder.path),
        "id": run_id,
        "resume": "allow",
    }
    run: Any = None
    if offline is None:
        try:
            run = _init(mode="online", settings=_settings(init_timeout=START_SECONDS), **arguments)
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            offline = f"{base_url} refused the run: {reason or 'is the API key right?'}"
    if run is None:
        run = _init(mode="offline", settings=_settings(), **arguments)
    run.define_metric(STEP)
    run.define_metric("*", step_metric=STEP, step_sync=True)
    for metric, best in BEST.items():
        for split in ("train", "validation"):
            run.define_metric(f"{split}/{metric}", step_metric=STEP, step_sync=True, summary=f"{best},last")
    folder.note_tracker("wandb", {"id": run.id})
    if offline is None and not list(folder.path.glob("wandb/offline-run-*")):
        known = known[: run.starting_step]  # the server may lack the last events
    logger = ResumableWandbLogger(run, project, folder.path, [pair for event in known for pair in event])
    logger.send_missing(kept or [])
    if offline is None:
        return logger, [f"wandb: {run.url}"]
    sync = _sync_command(Path(run.dir).parent)
    return logger, [f"wandb is offline ({offline}). To upload the run later, before its folder is moved: {sync}"]


def _init(**arguments: Any) -> Any:
    """Start a run, without wandb's launch agents, which take 0.3 s of CPU time to import.

    wandb imports them to look for inputs of the run, which only a program that has imported them itself can have set.
    Should a newer version need more of them, it writes that to its log and goes on without inputs.
    """
    import wandb

    with without_imports("wandb.sdk.launch.inputs.internal", StagedLaunchInputs=_NoInputs):
        return wandb.init(**arguments)


class _NoInputs:
    def apply(self, run: Any) -> None:
        """Do nothing, since there are no inputs."""


def _keep_files_with(folder: RunFolder) -> None:
    """Make wandb keep tables and their images in the run's folder until the upload, unless the user set another one.

    An offline run refers to them by absolute paths. By default they are in the home directory, which another machine
    may not have.
    """
    if os.environ.get(DATA_DIR, "").endswith(DATA) or DATA_DIR not in os.environ:
        os.environ[DATA_DIR] = str(folder.path / DATA)


def finish(logger: ResumableWandbLogger, status: str) -> None:
    """End the run; on the server it is marked as failed unless ``status`` is "success".

    Raises:
        TimeoutError: The upload took longer than ``FINISH_SECONDS``; the files are kept and can be uploaded later.
    """
    run: Any = logger.experiment
    folder = Path(run.dir).parent
    logger.mark()  # wandb's finish does not wait for its log file, which must be complete when it is read next
    try:
        _finish(run, 0 if status == "success" else 1)
    except TimeoutError:
        raise TimeoutError(
            f"the upload took over {FINISH_SECONDS:.0f} s; to upload the rest: {_sync_command(folder)}"
        ) from None


def _finish(run: Any, exit_code: int) -> None:
    try:
        run.finish(exit_code=exit_code)
    except TimeoutError:
        raise
    except Exception:
        import wandb

        # The service process has died. Without a teardown, the next job could not start another one, and the exit of
        # this process would print errors. The teardown raises for the same reason, and can even raise SystemExit.
        with contextlib.suppress(Exception, SystemExit):
            wandb.teardown()
        raise


def _why_offline(mode: Mode, base_url: str) -> str | None:
    if mode == "offline":
        return "logger.wandb.mode=offline"
    if mode == "auto" and requested_mode() == "offline":
        return "as WANDB_MODE or `wandb offline` requests"
    if not key_configured():
        return "no API key; `wandb login` stores one"
    if mode == "auto" and not hub.reachable(base_url):
        return f"{base_url} {hub.reachable.fault(base_url)}"
    return None


def _settings(**more: float) -> Any:
    import wandb

    values: dict[str, Any] = {
        "silent": True,
        "finish_timeout": FINISH_SECONDS,
        "finish_timeout_raises": True,
        "x_transaction_log_flush_interval": WRITE_SECONDS,
        **more,
    }
    return wandb.Settings(**{name: value for name, value in values.items() if name in wandb.Settings.model_fields})


def _sync_command(folder: Path) -> str:
    return f"wandb sync {readable_path(folder)}"
