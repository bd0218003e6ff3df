"""A training on pictures."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.commands.building import architecture_of, cache_dir, open_source
from convscope.commands.subject import Subject
from convscope.config.text_data import Texts
from convscope.config.train import Train

if TYPE_CHECKING:
    from pytorch_lightning.callbacks import Callback

    from convscope.callbacks.time_spent import TimeSpent
    from convscope.commands.insights import Insights
    from convscope.data.image_data_module import ImageDataModule
    from convscope.data.image_source import ImageSource
    from convscope.models.network import Network
    from convscope.models.text_network import TextNetwork
    from convscope.models.weights import Weights
    from convscope.tasks.classification import Classification, Objective
    from convscope.tracking.recorder import Recorder


class PictureSubject(Subject):
    """Pictures."""

    things = "pictures"
    fixed_shape = True
    task_name = "image_classification"
    source: "ImageSource"

    def __init__(self, config: Train) -> None:
        assert not isinstance(config.data, Texts)
        self.told = config.data
        self.source = open_source(self.told)

    def weights(self, config: Train) -> "Weights":
        """Of a package, a hub, a file, or random ones."""
        from convscope.models.weights import find_weights

        return find_weights(architecture_of(config.model), config.model.weights)

    def build(self, config: Train, weights: "Weights") -> "tuple[Network, int]":
        """The network for the classes and channels of the pictures."""
        from convscope.insight.parameters import describe_parameters
        from convscope.models.network import build_network

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

    def data_module(self, config: Train) -> "ImageDataModule":
        """Stored, augmented and batched pictures."""
        from convscope.data.image_data_module import ImageDataModule

        first = config.transfer.stages[0]
        self.data = ImageDataModule(
            self.source,
            self.network.preprocessing,
            batch_size=first.batch_size,
            augmentation=first.augmentation,
            seed=config.seed,
            workers=self.told.workers,
            cache_dir=cache_dir(self.told),
            on_bad_image=self.told.on_bad_image,
            train_size=self.told.train_size,
        )
        return self.data

    def task(self, network: "Network | TextNetwork", objective: "Objective", model: dict[str, Any]) -> "Classification":
        """Image classification."""
        from convscope.tasks.image_classification import ImageClassification

        seen = dataclasses.asdict(network.preprocessing)
        known = {"model": model, "classes": list(self.source.classes), "preprocessing": seen}
        return ImageClassification(network.module, self.source.classes, objective, known)

    def test_picture(self) -> "Callable[[int], np.ndarray]":
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

    def show_samples(self, recorder: "Recorder") -> None:
        """As a figure."""
        from convscope.commands.samples import show_pictures

        show_pictures(recorder, self.data)

    def figures(self, recorder: "Recorder") -> "Callback":
        """Confusion matrix and grids of pictures."""
        from convscope.callbacks.test_figures import TestFigures

        return TestFigures(recorder, self.data.store("test").image)

    def insights(self, config: Train, recorder: "Recorder", spent: "TimeSpent") -> "Insights | None":
        """Parameters, theoretical and effective fields."""
        from convscope.commands.insights import build_insights

        return build_insights(config, self.network, self.table, self.data, recorder, spent)

    def looks_while_training(
        self, config: Train, recorder: "Recorder", spent: "TimeSpent", warn: "Callable[[str], None]"
    ) -> "list[Callback]":
        """Saliency maps of the same pictures."""
        from convscope.commands.insight_callbacks import saliency_callbacks

        return saliency_callbacks(config.callbacks, recorder, self.network, self.data, spent, warn)

    def looks_at_test(
        self, config: Train, recorder: "Recorder", spent: "TimeSpent", warn: "Callable[[str], None]"
    ) -> "list[Callback]":
        """Saliency of mistakes, filters, faithfulness."""
        from convscope.commands.insight_callbacks import test_insight

        return test_insight(config.callbacks, recorder, self.network, self.data, spent, warn)

    def summary(self) -> dict[str, dict[str, Any]]:
        """The size of the input."""
        seen = self.network.preprocessing
        return {"model": {"input": [seen.channels, seen.size, seen.size]}, "data": {}}
