"""A sweep's folder: whose it is, and what each job's folder in it says."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from convscope.composition.jobs import FREE_KEYS
from convscope.config.base import Config
from convscope.errors import UserError
from convscope.masking import mask
from convscope.runs.files import write_atomically

SWEEP_FILE = "sweep.json"  # what makes the sweep this one
ASKED_FILE = ".asked.json"  # of a job: what it was to be, before `auto` was settled
LOCK_FILE = ".lock"

State = Literal["complete", "interrupted", "new", "other"]


def claim(path: Path, identity: Sequence[str], command: Sequence[str]) -> None:
    """Make ``path`` the folder of the sweep ``identity``, or find that it is.

    Raises:
        UserError: It is another sweep's, or no sweep's.
    """
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file; a sweep needs a folder of its own: sweep.name=...")
    path.mkdir(parents=True, exist_ok=True)
    file = path / SWEEP_FILE
    with FileLock(path / LOCK_FILE):
        if not file.is_file():
            taken = next((entry for entry in path.iterdir() if not entry.name.startswith(".")), None)
            if taken is not None:
                raise UserError(
                    f"{path} is no sweep's folder, and not empty (it holds {taken.name}); choose another sweep.name"
                )
            told = {"identity": list(identity), "command": shlex.join(command)}
            _write(file, told)
            return
    known = set(json.loads(file.read_text(encoding="utf-8"))["identity"])
    if known != set(identity):
        before = " ".join(sorted(known - set(identity))) or "none"
        now = " ".join(sorted(set(identity) - known)) or "none"
        raise UserError(
            f"{path} is the folder of another sweep (words of that one alone: {before}; of this one alone: {now}); "
            "choose another sweep.name"
        )


def job_state(folder: Path, config: Config) -> State:
    """What is to be done for the job ``folder``: nothing, go on, begin, or nothing since it is another's."""
    asked = folder / ASKED_FILE
    if not asked.is_file():
        return "other" if (folder / "config.yaml").is_file() else "new"
    if json.loads(asked.read_text(encoding="utf-8")) != comparable_config(config):
        return "other"
    if (folder / "summary.json").is_file():
        return "complete"
    return "interrupted" if (folder / "config.yaml").is_file() else "new"


def write_requested_config(folder: Path, config: Config) -> None:
    """Remember what the job ``folder`` is to be."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / ASKED_FILE, comparable_config(config))


def differences(folder: Path, config: Config) -> list[str]:
    """Where what the job was to be differs from ``config``, as ``key: before, now``."""
    file = folder / ASKED_FILE
    if not file.is_file():
        return []
    before, now = (dict(_leaves(plain)) for plain in (json.loads(file.read_text("utf-8")), comparable_config(config)))
    keys = dict.fromkeys([*before, *now])
    return [f"{key}: {before.get(key)}, now {now.get(key)}" for key in keys if before.get(key) != now.get(key)]


def comparable_config(config: Config) -> dict[str, Any]:
    """The configuration, without what makes no difference to the result."""
    plain: dict[str, Any] = config.model_dump(mode="json")
    for key in (*FREE_KEYS, "folder", "resume", "group"):
        *parents, last = key.split(".")
        node: Any = plain
        for parent in parents:
            node = node.get(parent) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node.pop(last, None)
    masked: dict[str, Any] = mask(plain)
    return masked


def _leaves(plain: Any, key: str = "") -> list[tuple[str, Any]]:
    if not isinstance(plain, dict):
        return [(key, plain)]
    return [leaf for name, value in plain.items() for leaf in _leaves(value, f"{key}.{name}" if key else name)]


def _write(file: Path, content: Any) -> None:
    write_atomically(file, (json.dumps(mask(content), indent=2) + "\n").encode(), to_disk=True)
