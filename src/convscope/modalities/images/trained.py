"""A run on images, loaded from its folder: its network, its classes and its preprocessing."""

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
class TrainedImageRun:
    """A trained network with the run's own weights, and what is needed to use it.

    Attributes:
        folder: Folder of the run.
        config: Content of the run's ``config.yaml``.
        network: Maps normalised images (N, C, H, W) to logits (N, classes), in evaluation mode.
        classes: Names of the classes, in the order of the logits.
        preprocessing: What the network expects of an image.
    """

    folder: RunFolder
    config: dict[str, Any]
    network: nn.Module
    classes: tuple[str, ...]
    preprocessing: Preprocessing

    @property
    def title(self) -> str:
        """Names of model and data, such as ``resnet on hotdog``."""
        return f"{self.config['model']['name']} on {self.config['data']['name']}"

    @property
    def accuracy(self) -> float | None:
        """Accuracy on the test split; None if the run is not complete."""
        summary = self.folder.read_summary() or {}
        value = summary.get("metrics", {}).get("test", {}).get("accuracy")
        return float(value) if isinstance(value, (int, float)) else None

    @property
    def generated(self) -> bool:
        """Whether the run was trained, and tested, on generated images."""
        value: object = (self.folder.read_summary() or {}).get("data", {}).get("source")
        return value == "generated"

    @property
    def precision(self) -> str | None:
        """Precision in which the run was tested; None if the run is not complete."""
        value: str | None = (self.folder.read_summary() or {}).get("environment", {}).get("precision")
        return value


def load_image_run(path: str | Path, checkpoint: str = "best") -> TrainedImageRun:
    """Load the weights that a run kept.

    Args:
        path: The run's folder.
        checkpoint: ``best`` or ``last``.

    Raises:
        UserError: There is no run, it has no checkpoint, or the checkpoint is damaged.
    """
    folder = RunFolder(Path(path).expanduser())
    config_text = folder.read_config()
    if config_text is None:
        reason = "no config.yaml" if folder.path.is_dir() else "no such folder"
        raise UserError(f"run={path}: no run lies there ({reason})")
    config = yaml.safe_load(config_text)
    if not isinstance(config, dict) or not {"model", "data"} <= set(config):
        raise UserError(f"{folder.config_file}: is no configuration of a run")
    saved = read_checkpoint(folder, path, checkpoint, TypeAdapter(ModelConfig), Preprocessing)
    preprocessing = saved.preprocessing
    network = build_architecture(saved.model).build(len(saved.classes), preprocessing.channels, preprocessing.size)
    task = ImageClassification(network, saved.classes)
    task.load_state_dict(saved.state)
    return TrainedImageRun(folder, config, network.eval(), saved.classes, preprocessing)
