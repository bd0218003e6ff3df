"""The LightningDataModule for training in stages: the part that image and text data have in common."""

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from typing_extensions import override

from convscope.data.batches import BatchLoader, EpochBatchSampler, Reader, completed_batches
from convscope.data.feature_reader import FeatureReader, FeatureSource

SPLITS_OF_STAGE = {
    "fit": ("train", "validation"),
    "validate": ("validation",),
    "test": ("test",),
    "predict": ("test",),
}


class Store(Protocol):
    """The examples of a split, with their labels (N,) int64."""

    labels: np.ndarray

    def __len__(self) -> int:
        """Return the number of examples."""


class Source(Protocol):
    """A data set: the names of its classes, and its splits."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the labels."""

    @property
    def splits(self) -> Mapping[str, Any]:
        """The splits, by name."""


class StagedDataModule(LightningDataModule):
    """Loads batches of the examples of ``source``, or of the features that frozen layers computed from them.

    Args:
        source: The data set.
        batch_size: Number of examples of a batch, of all processes together.
        seed: Determines the order of every epoch.

    Attributes:
        cores: Number of CPU cores that this process has for itself, set by the code that sets up the training; None
            for all that it may use.
        why_not_cached: Why the features of its examples cannot be cached; None if they can.
    """

    cores: int | None = None
    why_not_cached: str | None = None

    def __init__(self, source: Source, batch_size: int, seed: int) -> None:
        super().__init__()
        self._source = source
        self.batch_size = batch_size
        self.seed = seed
        self._first_epoch = 0
        self._features: Mapping[str, FeatureSource] = {}
        self._loaders: list[BatchLoader] = []

    @abstractmethod
    def store(self, split: str) -> Store:
        """Return the examples of ``split``; the first call opens its store, or fills it.

        Raises:
            UserError: The source has no such split.
        """

    @abstractmethod
    def _reader(self, split: str) -> Reader:
        """Return a reader of the batches of ``split``."""

    @abstractmethod
    def _order(self, split: str, **options: Any) -> EpochBatchSampler:
        """Return the batch sampler of ``split``; ``options`` are the keyword arguments of `EpochBatchSampler`."""

    def _workers(self, split: str) -> int:
        """Return the number of worker processes that read the batches of ``split``; 0 to read in this process."""
        return 0

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the labels."""
        return self._source.classes

    def begin_stage(self, batch_size: int, augmentation: Any, first_epoch: int) -> None:
        """Set up the batches of the next stage, and stop using the features of the last one.

        Args:
            batch_size: Number of examples of a batch, of all processes together.
            augmentation: The augmentation of the training examples.
            first_epoch: Number of epochs of the earlier stages, added to the stage's epoch.
        """
        self.batch_size, self._first_epoch = batch_size, first_epoch
        self._features = {}

    def use_features(self, features: Mapping[str, FeatureSource]) -> None:
        """Use ``features`` in place of the inputs of their splits, until the next stage.

        Args:
            features: For each split, the features of its examples, in the order of the store.
        """
        self._features = dict(features)

    def setup(self, stage: str | None = None) -> None:
        """Open the stores of the splits that ``stage`` needs, or of all splits without one; a second call does nothing.

        Args:
            stage: "fit", "validate", "test", "predict" or None, as Lightning passes it.
        """
        for split in SPLITS_OF_STAGE.get(stage or "", tuple(self._source.splits)):
            self.store(split)

    def class_weights(self) -> torch.Tensor:
        """Return the loss weights (classes,) float32 with which all classes count the same.

        The weight of an example is inverse to the frequency of its class in the train split; the mean of the weights
        is 1.
        """
        counts = np.bincount(self.store("train").labels, minlength=len(self.classes))
        weights = 1 / np.maximum(counts, 1)
        return torch.from_numpy(weights / weights.mean()).float()

    def train_dataloader(self) -> BatchLoader:
        """Return the shuffled batches of the train split."""
        return self._loader("train")

    @override
    def val_dataloader(self) -> BatchLoader:
        return self._loader("validation")

    @override
    def test_dataloader(self) -> BatchLoader:
        return self._loader("test")

    def predict_dataloader(self) -> BatchLoader:
        """Return the batches of the test split, as `test_dataloader` does."""
        return self._loader("test")

    def teardown(self, stage: str | None = None) -> None:
        """End the worker processes."""
        for loader in self._loaders:
            loader.close()
        self._loaders.clear()

    def _loader(self, split: str) -> BatchLoader:
        features = self._features.get(split)
        if features is None:
            reader, workers = self._reader(split), self._workers(split)
        else:
            reader, workers = FeatureReader(features, self.store(split).labels, self.seed), 0
        trainer = self.trainer
        training = split == "train"
        overfit = getattr(trainer, "overfit_batches", 0)  # not shuffled, so that every epoch has the same few batches
        shuffle = training and not overfit
        order = self._order(
            split,
            seed=self.seed,
            training=training,
            shuffle=shuffle,
            rank=trainer.global_rank if trainer is not None else 0,
            world_size=trainer.world_size if trainer is not None else 1,
            first_epoch=self._first_epoch if training else 0,
        )
        loader = BatchLoader(
            reader,
            order,
            workers=workers,
            pin_memory=trainer is not None and trainer.strategy.root_device.type == "cuda",
            position=partial(completed_batches, trainer) if trainer is not None and training else None,
            shuffled=shuffle,
        )
        self._loaders.append(loader)
        return loader
