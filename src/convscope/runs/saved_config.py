"""Reads the configuration of a run as a plain dictionary."""

from pathlib import Path
from typing import Any

import yaml

from convscope.errors import UserError


def read_saved_config(path: Path) -> dict[str, Any]:
    """Return ``config.yaml`` of the run at ``path``, checked to have at least ``data``.

    Raises:
        UserError: There is no such file, or it is not the configuration of a run.
    """
    file = path / "config.yaml"
    if not file.is_file():
        raise UserError(f"run={path}: no run lies there ({'no config.yaml' if path.is_dir() else 'no such folder'})")
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not isinstance(config, dict) or not isinstance(config.get("data"), dict):
        raise UserError(f"{file}: is no configuration of a run")
    return config
