"""Tells runs on images from runs on texts by their configuration alone."""

from pathlib import Path

import yaml


def is_text_run(path: Path) -> bool:
    """Return whether the run at ``path`` was trained on texts; False if it has no readable configuration."""
    try:
        config = yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return False
    return isinstance(config, dict) and isinstance(config.get("data"), dict) and "tokens" in config["data"]
