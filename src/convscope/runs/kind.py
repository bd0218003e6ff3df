"""Whether a run was trained on images or texts, read from its configuration alone."""

from pathlib import Path

import yaml


def is_text_run(path: Path) -> bool:
    """Whether the run at ``path`` was trained on texts; False where there is no readable configuration."""
    try:
        config = yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return False
    return isinstance(config, dict) and isinstance(config.get("data"), dict) and "tokens" in config["data"]
