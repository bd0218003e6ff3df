"""A stage's part of the configuration, for tests that have no configuration files."""

from typing import Any

from convscope.config.transfer import StageConfig

SETTINGS = {
    "epochs": 1, "lr": 0.01, "rates": {}, "layer_decay": 1.0, "optimizer": "adamw", "momentum": 0.9,
    "weight_decay": 0.01, "schedule": "cosine", "step_every": 0.3333, "step_factor": 0.1, "warmup": 0.0,
    "patience": None, "batch_size": 8, "augmentation": "none", "views": 1, "batch_norm": "update",
    "start_from": "best", "name": "s", "train": ["all"],
}  # fmt: skip


def stage_config(**changes: Any) -> StageConfig:
    """Return a stage that trains everything, with the values of ``changes`` in place of its own."""
    return StageConfig(**SETTINGS | changes)
