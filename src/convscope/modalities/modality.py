"""What a training is about, images or texts: all that differs between the two, in the order in which it is needed."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from pytorch_lightning.callbacks import Callback

from convscope.callbacks.time_spent import TimeSpent
from convscope.config.train import TrainConfig
from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.images.image_source import ImageSource
from convscope.data.texts.text_data_module import TextDataModule
from convscope.data.texts.text_source import TextSource
from convscope.modalities.insights import Insights
from convscope.models.images.zoo.network import Network
from convscope.models.texts.network import TextNetwork
from convscope.models.weights import Weights
from convscope.runs.run_folder import RunFolder
from convscope.tasks.classification import Classification
from convscope.tasks.objective import Objective
from convscope.tracking.recorder import Recorder


class Modality(ABC):
    """Images or texts, with their labels in ``source``.

    Attributes:
        things: What they are called.
    """

    noun: str
    task_name: str
    source: ImageSource | TextSource

    @abstractmethod
    def weights(self, config: TrainConfig) -> Weights:
        """Where the network's weights come from."""

    @abstractmethod
    def build(self, config: TrainConfig, weights: Weights) -> tuple[Network | TextNetwork, int]:
        """The network, and its multiply-adds for one example."""

    @abstractmethod
    def data_module(self, config: TrainConfig) -> ImageDataModule | TextDataModule:
        """The batches, opened; after ``build``."""

    @abstractmethod
    def task(self, network: Network | TextNetwork, objective: Objective, model: dict[str, Any]) -> Classification:
        """The LightningModule; ``model`` is the configuration of the network, which checkpoints keep."""

    def save_artifacts(self, folder: RunFolder) -> None:  # noqa: B027 - images leave nothing
        """Put what an evaluation needs beside the weights into the run's folder; after ``build``."""

    def warnings(self) -> list[str]:
        """What was found while the data were prepared; after ``data_module``."""
        return []

    def test_image(self) -> Callable[[int], np.ndarray] | None:
        """From an index in the test split to the image, (H, W, C) uint8; None for texts."""
        return None

    def example_input(self) -> np.ndarray | None:
        """Two inputs as another program would give them to the network; None without a fixed shape."""
        return None

    @abstractmethod
    def console_summary(self) -> dict[str, str]:
        """Lines for the console about the data; after ``data_module``."""

    @abstractmethod
    def show_samples(self, recorder: Recorder) -> None:
        """Log a few training examples; after ``data_module``."""

    @abstractmethod
    def test_figures(self, recorder: Recorder) -> Callback:
        """What draws the test."""

    def insights(self, config: TrainConfig, recorder: Recorder, time_spent: TimeSpent) -> Insights | None:
        """What is told of the network's parameters and fields; after ``data_module``."""
        return None

    def saliency_callbacks(
        self, config: TrainConfig, recorder: Recorder, time_spent: TimeSpent, warn: Callable[[str], None]
    ) -> list[Callback]:
        """Callbacks that look into the network while it is trained; after ``data_module``.

        ``warn`` takes a sentence about what could not be looked at.
        """
        return []

    def analysis_callbacks(
        self, config: TrainConfig, recorder: Recorder, time_spent: TimeSpent, warn: Callable[[str], None]
    ) -> list[Callback]:
        """Callbacks that look into the network after the test."""
        return []

    @abstractmethod
    def summary(self) -> dict[str, dict[str, Any]]:
        """What the summary says beside the rest, under ``model`` and ``data``."""
