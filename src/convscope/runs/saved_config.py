"""Reads the configuration of a run as a plain dictionary."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from convscope.config.target import find_interpolation
from convscope.errors import UserError


def read_saved_config(path: str | Path, key: str = "run") -> dict[str, Any]:
    """Return ``config.yaml`` of the run at ``path``, checked to have at least ``model`` and ``data``.

    Args:
        path: The run's folder.
        key: The key that names it, for messages.

    Raises:
        UserError: There is no such file, or it is not the configuration of a run. A run writes values alone: one with
            an interpolation is refused, since that could read the environment or call code.
    """
    folder = Path(path).expanduser()
    file = folder / "config.yaml"
    if not file.is_file():
        missing = "no config.yaml" if folder.is_dir() else "no such folder"
        raise UserError(f"{key}={path}: no run lies there ({missing})")
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (ValueError, yaml.YAMLError):
        config = None
    groups: dict[str, Any] = {"model": None, "data": None, "task": {}}  # with what stands for a group that is not there
    if not isinstance(config, dict) or not all(isinstance(config.get(g, d), dict) for g, d in groups.items()):
        raise UserError(f"{file}: is no configuration of a run")
    if (interpolated := find_interpolation(config)) is not None:
        raise UserError(f"{file}: {interpolated} holds ${{...}}, which no run writes: it is not resolved")
    return config


def trained_on_texts(config: Mapping[str, Any]) -> bool:
    """Return whether the run with this configuration was trained on texts, and not on images."""
    return "tokens" in config["data"]
