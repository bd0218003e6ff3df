"""The modality of images: what a training on them does in its own way."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from pytorch_lightning.callbacks import Callback
from typing_extensions import override

from convscope.cache import cache_folder
from convscope.callbacks.image_figures import ImageFigures
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
from convscope.modalities.samples import log_image_samples
from convscope.models.images.zoo.network import Network, build_network
from convscope.models.texts.network import TextNetwork
from convscope.models.weights import Weights, find_weights
from convscope.tasks.classification import Classification
from convscope.tasks.image_classification import ImageClassification
from convscope.tasks.objective import Objective
from convscope.tracking.recorder import Recorder


class ImageModality(Modality):
    """The modality of images, for image classification."""

    noun = "images"
    task_name = "image_classification"
    source: ImageSource

    def __init__(self, config: TrainConfig, source: ImageSource) -> None:
        assert not isinstance(config.data, TextsConfig)
        self.data_config = config.data
        self.source = source

    def weights(self, config: TrainConfig) -> Weights:
        """Find the weights: from a package, a hub or a file, or random ones."""
        return find_weights(build_architecture(config.model), config.model.weights)

    def build(self, config: TrainConfig, weights: Weights) -> tuple[Network, int]:
        """Build the network for the classes and channels of the images."""
        self.network = build_network(
            build_architecture(config.model),
            weights,
            len(self.source.classes),
            self.source.channels,
            self.data_config.image_size,
            self.data_config.scratch.image_size,
        )
        preprocessing = self.network.preprocessing
        self.table = describe_parameters(
            self.network.module, (1, preprocessing.channels, preprocessing.size, preprocessing.size)
        )
        return self.network, self.table.multiply_adds

    def data_module(self, config: TrainConfig) -> ImageDataModule:
        """Return a data module that stores, augments and batches images."""
        first_stage = config.transfer.stages[0]
        self.data = ImageDataModule(
            self.source,
            self.network.preprocessing,
            batch_size=first_stage.batch_size,
            augmentation=first_stage.augmentation,
            seed=config.seed,
            workers=self.data_config.workers,
            cache_dir=cache_folder(self.data_config.cache_dir),
            on_bad_image=self.data_config.on_bad_image,
            train_size=self.data_config.train_size,
        )
        return self.data

    @override
    def task(
        self, network: Network | TextNetwork, objective: Objective, model_config: dict[str, Any]
    ) -> Classification:
        preprocessing = dataclasses.asdict(network.preprocessing)
        description = {"model": model_config, "classes": list(self.source.classes), "preprocessing": preprocessing}
        return ImageClassification(network.module, self.source.classes, objective, description)

    def test_image_reader(self) -> Callable[[int], np.ndarray]:
        """Return the function from an index to the stored test image."""
        return self.data.store("test").image

    def example_input(self) -> np.ndarray:
        """Return zeros, (2, C, H, W) float32."""
        preprocessing = self.network.preprocessing
        return np.zeros((2, preprocessing.channels, preprocessing.size, preprocessing.size), dtype=np.float32)

    @override
    def console_summary(self) -> dict[str, str]:
        sizes, source = self.data.sizes, self.source
        return {
            "data": f"{source.name} ({source.source}): {sizes['train']:,} train, {sizes['validation']:,} validation, "
            f"{sizes['test']:,} test images of {len(source.classes)} classes at {self.network.preprocessing.size} px"
        }

    def log_samples(self, recorder: Recorder) -> None:
        """Log training images, as a figure."""
        log_image_samples(recorder, self.data)

    def test_figures(self, recorder: Recorder) -> Callback:
        """Return the callback that draws the confusion matrix and grids of images."""
        return ImageFigures(recorder, self.data.store("test").image)

    def insights(self, config: TrainConfig, recorder: Recorder, time_spent: TimeSpent) -> Insights | None:
        """Return the callbacks that log parameters and receptive fields, with their results for the summary."""
        return build_insights(config, self.network, self.table, self.data, recorder, time_spent)

    def saliency_callbacks(
        self, config: TrainConfig, recorder: Recorder, time_spent: TimeSpent, warn: Callable[[str], None]
    ) -> list[Callback]:
        """Return the callback that draws saliency maps of the same images throughout the training."""
        return saliency_callbacks(config.callbacks, recorder, self.network, self.data, time_spent, warn)

    def analysis_callbacks(
        self, config: TrainConfig, recorder: Recorder, time_spent: TimeSpent, warn: Callable[[str], None]
    ) -> list[Callback]:
        """Return the callback for saliency of mistakes, filters and faithfulness."""
        return analysis_callbacks(config.callbacks, recorder, self.network, self.data, time_spent, warn)

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return the shape of the input."""
        preprocessing = self.network.preprocessing
        return {"model": {"input": [preprocessing.channels, preprocessing.size, preprocessing.size]}, "data": {}}
