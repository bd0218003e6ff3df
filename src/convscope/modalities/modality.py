"""What a training is about, pictures or texts: all that differs between the two, in the order in which it is needed."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from pytorch_lightning.callbacks import Callback

from convscope.callbacks.time_spent import TimeSpent
from convscope.config.train import Train
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


class Subject(ABC):
    """Pictures or texts, with their labels in ``source``.

    Attributes:
        things: What they are called.
    """

    things: str
    task_name: str
    source: ImageSource | TextSource

    @abstractmethod
    def weights(self, config: Train) -> Weights:
        """Where the network's weights come from."""

    @abstractmethod
    def build(self, config: Train, weights: Weights) -> tuple[Network | TextNetwork, int]:
        """The network, and its multiply-adds for one example."""

    @abstractmethod
    def data_module(self, config: Train) -> ImageDataModule | TextDataModule:
        """The batches, opened; after ``build``."""

    @abstractmethod
    def task(self, network: Network | TextNetwork, objective: Objective, model: dict[str, Any]) -> Classification:
        """The LightningModule; ``model`` is the configuration of the network, which checkpoints keep."""

    def leave(self, folder: RunFolder) -> None:  # noqa: B027 - pictures leave nothing
        """Put what an evaluation needs beside the weights into the run's folder; after ``build``."""

    def warnings(self) -> list[str]:
        """What was found while the data were prepared; after ``data_module``."""
        return []

    def test_picture(self) -> Callable[[int], np.ndarray] | None:
        """From an index in the test split to the picture, (H, W, C) uint8; None for texts."""
        return None

    def example(self) -> np.ndarray | None:
        """Two inputs as another program would give them to the network; None without a fixed shape."""
        return None

    @abstractmethod
    def said(self) -> dict[str, str]:
        """Lines for the console about the data; after ``data_module``."""

    @abstractmethod
    def show_samples(self, recorder: Recorder) -> None:
        """Log a few training examples; after ``data_module``."""

    @abstractmethod
    def figures(self, recorder: Recorder) -> Callback:
        """What draws the test."""

    def insights(self, config: Train, recorder: Recorder, spent: TimeSpent) -> Insights | None:
        """What is told of the network's parameters and fields; after ``data_module``."""
        return None

    def looks_while_training(
        self, config: Train, recorder: Recorder, spent: TimeSpent, warn: Callable[[str], None]
    ) -> list[Callback]:
        """Callbacks that look into the network while it is trained; after ``data_module``.

        ``warn`` takes a sentence about what could not be looked at.
        """
        return []

    def looks_at_test(
        self, config: Train, recorder: Recorder, spent: TimeSpent, warn: Callable[[str], None]
    ) -> list[Callback]:
        """Callbacks that look into the network after the test."""
        return []

    @abstractmethod
    def summary(self) -> dict[str, dict[str, Any]]:
        """What the summary says beside the rest, under ``model`` and ``data``."""
