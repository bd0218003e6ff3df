"""A training on pictures."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from pytorch_lightning.callbacks import Callback

from convscope.cache import cache_folder
from convscope.callbacks.image_figures import TestFigures
from convscope.callbacks.time_spent import TimeSpent
from convscope.config.text_data import Texts
from convscope.config.train import Train
from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.images.image_source import ImageSource
from convscope.insight.parameters import describe_parameters
from convscope.modalities.images.insight_callbacks import saliency_callbacks, test_insight
from convscope.modalities.images.networks import architecture_of
from convscope.modalities.insights import Insights, build_insights
from convscope.modalities.modality import Subject
from convscope.modalities.samples import show_pictures
from convscope.models.images.zoo.network import Network, build_network
from convscope.models.texts.network import TextNetwork
from convscope.models.weights import Weights, find_weights
from convscope.tasks.classification import Classification
from convscope.tasks.image_classification import ImageClassification
from convscope.tasks.objective import Objective
from convscope.tracking.recorder import Recorder


class PictureSubject(Subject):
    """Pictures."""

    things = "pictures"
    task_name = "image_classification"
    source: ImageSource

    def __init__(self, config: Train, source: ImageSource) -> None:
        assert not isinstance(config.data, Texts)
        self.told = config.data
        self.source = source

    def weights(self, config: Train) -> Weights:
        """Of a package, a hub, a file, or random ones."""
        return find_weights(architecture_of(config.model), config.model.weights)

    def build(self, config: Train, weights: Weights) -> tuple[Network, int]:
        """The network for the classes and channels of the pictures."""
        self.network = build_network(
            architecture_of(config.model),
            weights,
            len(self.source.classes),
            self.source.channels,
            self.told.image_size,
            self.told.scratch.image_size,
        )
        seen = self.network.preprocessing
        self.table = describe_parameters(self.network.module, (1, seen.channels, seen.size, seen.size))
        return self.network, self.table.multiply_adds

    def data_module(self, config: Train) -> ImageDataModule:
        """Stored, augmented and batched pictures."""
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

    def test_picture(self) -> Callable[[int], np.ndarray]:
        """Of the store."""
        return self.data.store("test").image

    def example(self) -> np.ndarray:
        """(2, C, H, W) float32."""
        seen = self.network.preprocessing
        return np.zeros((2, seen.channels, seen.size, seen.size), dtype=np.float32)

    def said(self) -> dict[str, str]:
        """One line."""
        sizes, source = self.data.sizes, self.source
        return {
            "data": f"{source.name} ({source.source}): {sizes['train']:,} train, {sizes['validation']:,} validation, "
            f"{sizes['test']:,} test pictures of {len(source.classes)} classes at {self.network.preprocessing.size} px"
        }

    def show_samples(self, recorder: Recorder) -> None:
        """As a figure."""
        show_pictures(recorder, self.data)

    def figures(self, recorder: Recorder) -> Callback:
        """Confusion matrix and grids of pictures."""
        return TestFigures(recorder, self.data.store("test").image)

    def insights(self, config: Train, recorder: Recorder, spent: TimeSpent) -> Insights | None:
        """Parameters, theoretical and effective fields."""
        return build_insights(config, self.network, self.table, self.data, recorder, spent)

    def looks_while_training(
        self, config: Train, recorder: Recorder, spent: TimeSpent, warn: Callable[[str], None]
    ) -> list[Callback]:
        """Saliency maps of the same pictures."""
        return saliency_callbacks(config.callbacks, recorder, self.network, self.data, spent, warn)

    def looks_at_test(
        self, config: Train, recorder: Recorder, spent: TimeSpent, warn: Callable[[str], None]
    ) -> list[Callback]:
        """Saliency of mistakes, filters, faithfulness."""
        return test_insight(config.callbacks, recorder, self.network, self.data, spent, warn)

    def summary(self) -> dict[str, dict[str, Any]]:
        """The size of the input."""
        seen = self.network.preprocessing
        return {"model": {"input": [seen.channels, seen.size, seen.size]}, "data": {}}
