"""A LightningDataModule for stages: what images and texts have in common."""

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from pytorch_lightning import LightningDataModule

from convscope.data.batches import BatchLoader, EpochOrder, Reader, completed_batches
from convscope.data.feature_reader import FeatureReader, FeatureSource

SPLITS_OF_STAGE = {
    "fit": ("train", "validation"),
    "validate": ("validation",),
    "test": ("test",),
    "predict": ("test",),
}


class Store(Protocol):
    """The examples of a split, with their labels (N,)."""

    labels: np.ndarray

    def __len__(self) -> int:
        """Number of examples."""


class Source(Protocol):
    """Where examples come from: the names of their classes, and their splits."""

    @property
    def classes(self) -> tuple[str, ...]:
        """In the order of the labels."""

    @property
    def splits(self) -> Mapping[str, Any]:
        """By name."""


class StagedDataModule(LightningDataModule):
    """Batches of the examples of ``source``, or of what a frozen prefix said of them.

    ``batch_size`` is that of all processes together; ``seed`` gives the order of every epoch. Whoever sets up the
    training may set ``cores``, those of the CPU that this process has for itself; None: all that it may use.
    """

    cores: int | None = None

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
        """The examples of ``split``, opened or filled at the first call.

        Raises ``UserError`` where the source has no such split.
        """

    @abstractmethod
    def _reader(self, split: str) -> Reader:
        """Reads the batches of ``split``."""

    @abstractmethod
    def _order(self, split: str, **told: Any) -> EpochOrder:
        """Which examples of ``split`` make up which batch; ``told`` is what an order is made with."""

    def _workers(self, split: str) -> int:
        """Processes that read the batches of ``split``; 0: this one."""
        return 0

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the labels."""
        return self._source.classes

    def begin_stage(self, batch_size: int, augmentation: Any, first_epoch: int) -> None:
        """From now on batches of ``batch_size``, augmented so; epoch 0 of the stage is the run's ``first_epoch``."""
        self.batch_size, self._first_epoch = batch_size, first_epoch
        self._features = {}

    def serve(self, features: Mapping[str, FeatureSource]) -> None:
        """Hand out ``features`` in place of the inputs of their splits, in the same order, until the next stage."""
        self._features = dict(features)

    def setup(self, stage: str | None = None) -> None:
        """Open the stores that ``stage`` needs, all of them without one. A second call does nothing."""
        for split in SPLITS_OF_STAGE.get(stage or "", tuple(self._source.splits)):
            self.store(split)

    def class_weights(self) -> torch.Tensor:
        """(classes,) float32: how much an example of each class counts, so that all classes count the same.

        Inverse to the frequency in the train split; their mean is 1.
        """
        counts = np.bincount(self.store("train").labels, minlength=len(self.classes))
        weights = 1 / np.maximum(counts, 1)
        return torch.from_numpy(weights / weights.mean()).float()

    def train_dataloader(self) -> BatchLoader:
        """Shuffled batches of the train split."""
        return self._loader("train")

    def val_dataloader(self) -> BatchLoader:
        """Batches of the validation split."""
        return self._loader("validation")

    def test_dataloader(self) -> BatchLoader:
        """Batches of the test split."""
        return self._loader("test")

    def predict_dataloader(self) -> BatchLoader:
        """As `test_dataloader`."""
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
        overfit = getattr(trainer, "overfit_batches", 0)  # the same few batches over and over
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
