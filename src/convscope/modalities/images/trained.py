"""A run that was trained, loaded again: its network, its classes, what it expects of an image."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter
from torch import nn

from convscope.config.model import ModelConfig
from convscope.errors import UserError
from convscope.modalities.images.networks import build_architecture
from convscope.preprocessing import Preprocessing
from convscope.runs.checkpoint import read_checkpoint
from convscope.runs.run_folder import RunFolder
from convscope.tasks.image_classification import ImageClassification


@dataclass(frozen=True)
class TrainedRun:
    """``network`` maps normalised images (N, C, H, W) to logits (N, classes), with the run's own weights."""

    folder: RunFolder
    config: dict[str, Any]
    network: nn.Module
    classes: tuple[str, ...]
    preprocessing: Preprocessing

    @property
    def title(self) -> str:
        """``resnet on hotdog``."""
        return f"{self.config['model']['name']} on {self.config['data']['name']}"

    @property
    def accuracy(self) -> float | None:
        """On the test split; None where the run is not complete."""
        summary = self.folder.read_summary() or {}
        value = summary.get("metrics", {}).get("test", {}).get("accuracy")
        return float(value) if isinstance(value, (int, float)) else None

    @property
    def generated(self) -> bool:
        """Whether it was trained, and tested, on generated images."""
        value: object = (self.folder.read_summary() or {}).get("data", {}).get("source")
        return value == "generated"

    @property
    def precision(self) -> str | None:
        """In which the run was tested; None where it is not complete."""
        value: str | None = (self.folder.read_summary() or {}).get("environment", {}).get("precision")
        return value


def load_trained_run(path: str | Path, checkpoint: str = "best") -> TrainedRun:
    """Load the weights that a run kept.

    Args:
        path: The run's folder.
        checkpoint: ``best`` or ``last``.

    Raises:
        UserError: There is no run, it has no checkpoint, or the checkpoint is damaged.
    """
    folder = RunFolder(Path(path).expanduser())
    told = folder.read_config()
    if told is None:
        found = "no config.yaml" if folder.path.is_dir() else "no such folder"
        raise UserError(f"run={path}: no run lies there ({found})")
    config = yaml.safe_load(told)
    if not isinstance(config, dict) or not {"model", "data"} <= set(config):
        raise UserError(f"{folder.config_file}: is no configuration of a run")
    kept = read_checkpoint(folder, path, checkpoint, TypeAdapter(ModelConfig), Preprocessing)
    seen = kept.preprocessing
    network = build_architecture(kept.model).build(len(kept.classes), seen.channels, seen.size)
    task = ImageClassification(network, kept.classes)
    task.load_state_dict(kept.state)
    return TrainedRun(folder, config, network.eval(), kept.classes, seen)
