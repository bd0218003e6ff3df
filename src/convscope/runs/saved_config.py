"""Reads the configuration of a run as a plain dictionary."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from convscope.errors import UserError


def read_saved_config(path: str | Path) -> dict[str, Any]:
    """Return ``config.yaml`` of the run at ``path``, checked to have at least ``model`` and ``data``.

    Raises:
        UserError: There is no such file, or it is not the configuration of a run.
    """
    folder = Path(path).expanduser()
    file = folder / "config.yaml"
    if not file.is_file():
        raise UserError(f"run={path}: no run lies there ({'no config.yaml' if folder.is_dir() else 'no such folder'})")
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (ValueError, yaml.YAMLError):
        config = None
    if not isinstance(config, dict) or not all(isinstance(config.get(group), dict) for group in ("model", "data")):
        raise UserError(f"{file}: is no configuration of a run")
    return config


def trained_on_texts(config: Mapping[str, Any]) -> bool:
    """Return whether the run with this configuration was trained on texts, and not on images."""
    return "tokens" in config["data"]
