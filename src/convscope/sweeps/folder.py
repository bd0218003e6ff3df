"""The folder of a sweep: which sweep it belongs to, and the state of each job's folder in it."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from convscope.composition.jobs import EXECUTION_KEYS
from convscope.config.base import Config
from convscope.errors import UserError
from convscope.masking import mask
from convscope.runs.files import write_atomically
from convscope.runs.new_folder import make_folder

SWEEP_FILE = "sweep.json"  # of the sweep: its identity and its command line
REQUESTED_CONFIG_FILE = ".requested.json"  # of a job: its configuration, before `auto` values are resolved
LOCK_FILE = ".lock"

JobState = Literal["complete", "interrupted", "new", "other"]


def claim_folder(path: Path, identity: Sequence[str], command: Sequence[str]) -> None:
    """Make ``path`` the folder of a sweep, or check that it already is.

    Args:
        path: Folder of the sweep.
        identity: Overrides that tell this sweep from others.
        command: Command line of the sweep, which is written down.

    Raises:
        UserError: The folder belongs to another sweep, or to none.
    """
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file; a sweep needs a folder of its own: sweep.name=...")
    make_folder(path)
    file = path / SWEEP_FILE
    with FileLock(path / LOCK_FILE):
        if not file.is_file():
            taken = next((entry for entry in path.iterdir() if not entry.name.startswith(".")), None)
            if taken is not None:
                raise UserError(
                    f"{path} is no sweep's folder, and not empty (it holds {taken.name}); choose another sweep.name"
                )
            _write(file, {"identity": list(identity), "command": shlex.join(command)})
            return
    known = set(json.loads(file.read_text(encoding="utf-8"))["identity"])
    if known != set(identity):
        before = " ".join(sorted(known - set(identity))) or "none"
        now = " ".join(sorted(set(identity) - known)) or "none"
        raise UserError(
            f"{path} is the folder of another sweep (overrides of that one alone: {before}; of this one alone: {now}); "
            "choose another sweep.name"
        )


def job_state(folder: Path, config: Config) -> JobState:
    """Return the state of the job in ``folder``.

    Returns:
        ``complete``, ``interrupted`` (to be resumed), ``new`` (to be run), or ``other`` if the folder holds a run of
        another configuration, which is left alone.
    """
    requested = folder / REQUESTED_CONFIG_FILE
    if not requested.is_file():
        return "other" if (folder / "config.yaml").is_file() else "new"
    if json.loads(requested.read_text(encoding="utf-8")) != comparable_config(config):
        return "other"
    if (folder / "summary.json").is_file():
        return "complete"
    return "interrupted" if (folder / "config.yaml").is_file() else "new"


def write_requested_config(folder: Path, config: Config) -> None:
    """Write down the configuration of the job in ``folder``, before ``auto`` values are resolved."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / REQUESTED_CONFIG_FILE, comparable_config(config))


def differences(folder: Path, config: Config) -> list[str]:
    """Return what differs between the job's configuration as written down and ``config``, as ``key: before, now``."""
    file = folder / REQUESTED_CONFIG_FILE
    if not file.is_file():
        return []
    before, now = (dict(_leaves(plain)) for plain in (json.loads(file.read_text("utf-8")), comparable_config(config)))
    keys = dict.fromkeys([*before, *now])
    return [f"{key}: {before.get(key)}, now {now.get(key)}" for key in keys if before.get(key) != now.get(key)]


def comparable_config(config: Config) -> dict[str, Any]:
    """Return the configuration as plain containers, without the keys that do not change the result, secrets masked."""
    plain: dict[str, Any] = config.model_dump(mode="json")
    for key in (*EXECUTION_KEYS, "folder", "resume", "group"):
        *parents, last = key.split(".")
        node: Any = plain
        for parent in parents:
            node = node.get(parent) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node.pop(last, None)
    masked: dict[str, Any] = mask(plain)
    return masked


def _leaves(plain: Any, key: str = "") -> list[tuple[str, Any]]:
    """Return the dotted key and the value of each leaf."""
    if not isinstance(plain, dict):
        return [(key, plain)]
    return [leaf for name, value in plain.items() for leaf in _leaves(value, f"{key}.{name}" if key else name)]


def _write(file: Path, content: Any) -> None:
    """Write JSON, secrets masked, and force it to the disk."""
    write_atomically(file, (json.dumps(mask(content), indent=2) + "\n").encode(), to_disk=True)
