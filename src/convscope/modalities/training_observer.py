"""The interface of what logs and analyses a training, besides its metrics."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pytorch_lightning.callbacks import Callback

from convscope.callbacks.time_spent import TimeSpent
from convscope.config.train import TrainConfig
from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.texts.text_data_module import TextDataModule
from convscope.modalities.built_network import BuiltNetwork
from convscope.modalities.insights import Insights
from convscope.tracking.recorder import Recorder


@dataclass(frozen=True)
class TrainingObserver(ABC):
    """Logs and analyses a training: its examples, its network, and its mistakes.

    Attributes:
        config: The configuration of the run.
        built: The network that is trained.
        data: The data module, set up.
        recorder: Takes figures, tables and scalars.
        time_spent: Counts the seconds.
        warn: Takes a sentence about what could not be analysed.
    """

    config: TrainConfig
    built: BuiltNetwork
    data: ImageDataModule | TextDataModule
    recorder: Recorder
    time_spent: TimeSpent
    warn: Callable[[str], None]

    def data_warnings(self) -> list[str]:
        """Return warnings about the data beyond those of the data module."""
        return []

    @abstractmethod
    def console_summary(self) -> dict[str, str]:
        """Return lines for the console about the data, by their titles."""

    @abstractmethod
    def summary(self) -> dict[str, dict[str, Any]]:
        """Return the modality's entries of ``summary.json``, under ``model`` and ``data``."""

    @abstractmethod
    def log_samples(self) -> None:
        """Log a few training examples of each class."""

    def insights(self) -> Insights | None:
        """Return the callbacks that log parameters and receptive field, with their results for the summary.

        None if the network cannot be traced.
        """
        return None

    def saliency_callbacks(self) -> list[Callback]:
        """Return the callbacks that map the same examples throughout the training; none if that is off."""
        return []

    @abstractmethod
    def test_figures(self) -> Callback:
        """Return the callback that draws the figures of the test."""

    def analysis_callbacks(self) -> list[Callback]:
        """Return the callbacks that analyse the network after the test; none if that is off."""
        return []

    def test_image_reader(self) -> Callable[[int], np.ndarray] | None:
        """Return a function from an index in the test split to the image, (H, W, C) uint8; None for texts."""
        return None

    def example_input(self) -> np.ndarray | None:
        """Return two inputs as another program would give them to the network; None without a fixed shape."""
        return None
