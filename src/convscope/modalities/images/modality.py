"""A training on images."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from pytorch_lightning.callbacks import Callback

from convscope.cache import cache_folder
from convscope.callbacks.image_figures import TestFigures
from convscope.callbacks.time_spent import TimeSpent
from convscope.config.text_data import TextsConfig
from convscope.config.train import TrainConfig
from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.images.image_source import ImageSource
from convscope.insight.parameters import describe_parameters
from convscope.modalities.images.insight_callbacks import analysis_callbacks, saliency_callbacks
from convscope.modalities.images.networks import build_architecture
from convscope.modalities.insights import Insights, build_insights
from convscope.modalities.modality import Modality
from convscope.modalities.samples import show_images
from convscope.models.images.zoo.network import Network, build_network
from convscope.models.texts.network import TextNetwork
from convscope.models.weights import Weights, find_weights
from convscope.tasks.classification import Classification
from convscope.tasks.image_classification import ImageClassification
from convscope.tasks.objective import Objective
from convscope.tracking.recorder import Recorder


class ImageModality(Modality):
    """Images."""

    noun = "images"
    task_name = "image_classification"
    source: ImageSource

    def __init__(self, config: TrainConfig, source: ImageSource) -> None:
        assert not isinstance(config.data, TextsConfig)
        self.told = config.data
        self.source = source

    def weights(self, config: TrainConfig) -> Weights:
        """Of a package, a hub, a file, or random ones."""
        return find_weights(build_architecture(config.model), config.model.weights)

    def build(self, config: TrainConfig, weights: Weights) -> tuple[Network, int]:
        """The network for the classes and channels of the images."""
        self.network = build_network(
            build_architecture(config.model),
            weights,
            len(self.source.classes),
            self.source.channels,
            self.told.image_size,
            self.told.scratch.image_size,
        )
        seen = self.network.preprocessing
        self.table = describe_parameters(self.network.module, (1, seen.channels, seen.size, seen.size))
        return self.network, self.table.multiply_adds

    def data_module(self, config: TrainConfig) -> ImageDataModule:
        """Stored, augmented and batched images."""
        first = config.transfer.stages[0]
        self.data = ImageDataModule(
            self.source,
            self.network.preprocessing,
            batch_size=first.batch_size,
            augmentation=first.augmentation,
            seed=config.seed,
            workers=self.told.workers,
            cache_dir=cache_folder(self.told.cache_dir),
            on_bad_image=self.told.on_bad_image,
            train_size=self.told.train_size,
        )
        return self.data

    def task(self, network: Network | TextNetwork, objective: Objective, model: dict[str, Any]) -> Classification:
        """Image classification."""
        seen = dataclasses.asdict(network.preprocessing)
        known = {"model": model, "classes": list(self.source.classes), "preprocessing": seen}
        return ImageClassification(network.module, self.source.classes, objective, known)

    def test_image(self) -> Callable[[int], np.ndarray]:
        """Of the store."""
        return self.data.store("test").image

    def example_input(self) -> np.ndarray:
        """(2, C, H, W) float32."""
        seen = self.network.preprocessing
        return np.zeros((2, seen.channels, seen.size, seen.size), dtype=np.float32)

    def console_summary(self) -> dict[str, str]:
        """One line."""
        sizes, source = self.data.sizes, self.source
        return {
            "data": f"{source.name} ({source.source}): {sizes['train']:,} train, {sizes['validation']:,} validation, "
            f"{sizes['test']:,} test images of {len(source.classes)} classes at {self.network.preprocessing.size} px"
        }

    def show_samples(self, recorder: Recorder) -> None:
        """As a figure."""
        show_images(recorder, self.data)

    def test_figures(self, recorder: Recorder) -> Callback:
        """Confusion matrix and grids of images."""
        return TestFigures(recorder, self.data.store("test").image)

    def insights(self, config: TrainConfig, recorder: Recorder, time_spent: TimeSpent) -> Insights | None:
        """Parameters, theoretical and effective fields."""
        return build_insights(config, self.network, self.table, self.data, recorder, time_spent)

    def saliency_callbacks(
        self, config: TrainConfig, recorder: Recorder, time_spent: TimeSpent, warn: Callable[[str], None]
    ) -> list[Callback]:
        """Saliency maps of the same images."""
        return saliency_callbacks(config.callbacks, recorder, self.network, self.data, time_spent, warn)

    def analysis_callbacks(
        self, config: TrainConfig, recorder: Recorder, time_spent: TimeSpent, warn: Callable[[str], None]
    ) -> list[Callback]:
        """Saliency of mistakes, filters, faithfulness."""
        return analysis_callbacks(config.callbacks, recorder, self.network, self.data, time_spent, warn)

    def summary(self) -> dict[str, dict[str, Any]]:
        """The size of the input."""
        seen = self.network.preprocessing
        return {"model": {"input": [seen.channels, seen.size, seen.size]}, "data": {}}
