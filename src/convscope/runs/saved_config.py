"""The configuration of a run, read again as a plain dictionary."""

from pathlib import Path
from typing import Any

import yaml

from convscope.errors import UserError


def read_saved_config(path: Path) -> dict[str, Any]:
    """``config.yaml`` of the run at ``path``; it has at least ``data``.

    Raises:
        UserError: There is none, or it is no configuration of a run.
    """
    file = path / "config.yaml"
    if not file.is_file():
        raise UserError(f"run={path}: no run lies there ({'no config.yaml' if path.is_dir() else 'no such folder'})")
    told = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not isinstance(told, dict) or not isinstance(told.get("data"), dict):
        raise UserError(f"{file}: is no configuration of a run")
    return told
