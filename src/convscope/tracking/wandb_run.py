"""Starts and finishes runs of Weights & Biases (wandb), without prompts, hangs or console output."""

import configparser
import contextlib
import netrc
import os
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from convscope import hub
from convscope.runs.files import readable_path
from convscope.runs.run_folder import RunFolder
from convscope.tracking.replay import Row
from convscope.tracking.wandb_log import STEP, logged_events
from convscope.tracking.wandb_logger import ResumableWandbLogger

Mode = Literal["auto", "offline", "online"]

SERVICE_HOSTS = (
    "api.wandb.ai",
    "api.forge.coreweave.com",
)  # old and new address of the public service
START_SECONDS = 15.0  # limit for starting a run on a server; wandb's own: 90 s to start, none to finish
FINISH_SECONDS = 60.0
DATA_DIR = "WANDB_DATA_DIR"
DATA = os.path.join("wandb", "data")  # in the run's folder
WRITE_SECONDS = 0.1  # from an event to the disk; with wandb's own 15 s, a killed process would lose as much
BEST = {"loss": "min", "accuracy": "max", "f1": "max", "auroc": "max"}  # value of a curve in the run's summary


def key_configured() -> bool:
    """Return whether wandb would find credentials in environment, netrc or settings files. Does not import wandb.

    A ``default`` entry of the netrc file does not count; it is for other hosts.
    """
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    settings = _settings_files()
    if settings.get("api_key"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL") or settings.get("base_url", "")).netloc
    hosts = SERVICE_HOSTS if not host or host in SERVICE_HOSTS else (host,)
    try:
        known = netrc.netrc(_netrc_file()).hosts
    except (OSError, netrc.NetrcParseError):
        return False
    return any(known[host][2] for host in hosts if host in known)


def requested_mode() -> str | None:
    """Return the mode in ``WANDB_MODE`` or wandb's settings files: online, offline or disabled; None if not set."""
    mode = os.environ.get("WANDB_MODE") or _settings_files().get("mode")
    return {"dryrun": "offline", "run": "online"}.get(mode, mode) if mode else None


def server_address() -> str:
    """Return the address of the server that wandb would connect to. Does not import wandb."""
    return os.environ.get("WANDB_BASE_URL") or _settings_files().get("base_url") or f"https://{SERVICE_HOSTS[0]}"


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
            with _without_launch():
                run = wandb.init(mode="online", settings=_settings(init_timeout=START_SECONDS), **arguments)
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            offline = f"{base_url} refused the run: {reason or 'is the API key right?'}"
    if run is None:
        with _without_launch():
            run = wandb.init(mode="offline", settings=_settings(), **arguments)
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


@contextlib.contextmanager
def _without_launch() -> Iterator[None]:
    """Keep wandb from importing its launch agents, which takes 0.7 s, when it starts a run in this context.

    wandb imports them to look for inputs of the run, which only a program that has imported them itself can have set.
    """
    name = "wandb.sdk.launch.inputs.internal"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = stand_in = types.ModuleType(name)
    vars(stand_in)["StagedLaunchInputs"] = _NoInputs
    try:
        yield
    finally:
        del sys.modules[name]


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


def _settings_files() -> dict[str, str]:
    """Return the settings of wandb's global file and of the working directory's file, which has precedence."""
    home = os.environ.get("WANDB_CONFIG_DIR", "~/.config/wandb")
    parser = configparser.ConfigParser(interpolation=None)
    for path in (
        Path(home).expanduser() / "settings",
        Path(os.environ.get("WANDB_DIR", ".")) / "wandb" / "settings",
    ):
        try:
            parser.read(path)
        except (OSError, configparser.Error, UnicodeDecodeError):
            continue
    return dict(parser["default"]) if parser.has_section("default") else {}


def _netrc_file() -> Path:
    if named := os.environ.get("NETRC"):
        return Path(named).expanduser()
    home = Path("~/.netrc").expanduser()
    return home if home.exists() else Path("~/_netrc").expanduser()
