"""The interface of a modality, images or texts: all that differs between the two, in the order of a run."""

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
    """Images or texts: what a run on them does in its own way.

    A run calls `weights`, then `build`, then `data_module`, and then `task`; the other methods need what one of these
    has prepared, as their docstrings say.

    Attributes:
        noun: What the examples are called in messages: ``images`` or ``texts``.
        task_name: Name of the task, as ``summary.json`` has it.
        source: The examples, with their labels.
    """

    noun: str
    task_name: str
    source: ImageSource | TextSource

    @abstractmethod
    def weights(self, config: TrainConfig) -> Weights:
        """Find where the network's weights come from. May be called before all other methods."""

    @abstractmethod
    def build(self, config: TrainConfig, weights: Weights) -> tuple[Network | TextNetwork, int]:
        """Build the network, and keep it. Takes the result of `weights`.

        Returns:
            The network, and its multiply-adds for one example.
        """

    @abstractmethod
    def data_module(self, config: TrainConfig) -> ImageDataModule | TextDataModule:
        """Return the data module, which makes the batches of all splits, and keep it. Call after `build`.

        The data module of texts is set up already; that of images opens a split when it is first used.
        """

    @abstractmethod
    def task(
        self, network: Network | TextNetwork, objective: Objective, model_config: dict[str, Any]
    ) -> Classification:
        """Return the LightningModule that trains ``network``. Call after `build`.

        Args:
            network: The network that `build` returned.
            objective: The loss.
            model_config: The configuration of the network, which checkpoints keep.
        """

    def save_artifacts(self, folder: RunFolder) -> None:  # noqa: B027 - images need nothing
        """Write what an evaluation needs besides the weights into the run's folder. Call after `build`."""

    def warnings(self) -> list[str]:
        """Return warnings about the data, found while they were prepared. Call after `data_module`."""
        return []

    def test_image_reader(self) -> Callable[[int], np.ndarray] | None:
        """Return a function from an index in the test split to the image, (H, W, C) uint8; None for texts.

        Call after `data_module`.
        """
        return None

    def example_input(self) -> np.ndarray | None:
        """Return two inputs as another program would give them to the network; None without a fixed shape.

        Call after `build`.
        """
        return None

    @abstractmethod
    def console_summary(self) -> dict[str, str]:
        """Return lines for the console about the data, by their titles. Call after `data_module`."""

    @abstractmethod
    def log_samples(self, recorder: Recorder) -> None:
        """Log a few training examples of each class. Call after `data_module`."""

    @abstractmethod
    def test_figures(self, recorder: Recorder) -> Callback:
        """Return the callback that draws the figures of the test. Call after `data_module`."""

    def insights(self, config: TrainConfig, recorder: Recorder, time_spent: TimeSpent) -> Insights | None:
        """Return the callbacks that log parameters and receptive field, with their results for the summary.

        None if the network cannot be traced. Call after `data_module`.
        """
        return None

    def saliency_callbacks(
        self, config: TrainConfig, recorder: Recorder, time_spent: TimeSpent, warn: Callable[[str], None]
    ) -> list[Callback]:
        """Return the callbacks that analyse the network during training. Call after `data_module`.

        ``warn`` takes a sentence about what could not be analysed.
        """
        return []

    def analysis_callbacks(
        self, config: TrainConfig, recorder: Recorder, time_spent: TimeSpent, warn: Callable[[str], None]
    ) -> list[Callback]:
        """Return the callbacks that analyse the network after the test. Call after `data_module`.

        ``warn`` takes a sentence about what could not be analysed.
        """
        return []

    @abstractmethod
    def summary(self) -> dict[str, dict[str, Any]]:
        """Return the modality's entries of ``summary.json``, under ``model`` and ``data``.

        Call after `data_module`.
        """
