"""An `ImageSource` as a LightningDataModule: stored, shuffled, augmented, batched, normalised on the device."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pytorch_lightning import LightningDataModule

from convscope.data.augmentation import Preset
from convscope.data.augmentation import augmentation as augmentation_preset
from convscope.data.batches import BatchLoader, BatchReader, EpochOrder, ImageBatch, Reader, batches_done, stretch
from convscope.data.cores import available_cores
from convscope.data.feature_reader import FeatureReader, FeatureSource
from convscope.data.image_source import ImageSource
from convscope.data.image_store import ImageStore, open_image_store
from convscope.data.normalisation import Normalisation
from convscope.data.resizing import Resizing
from convscope.errors import UserError
from convscope.preprocessing import Preprocessing

FEW_CORES = 4  # with fewer, workers take from the training what they give
MOST_WORKERS = 8
SPLITS_OF_STAGE = {
    "fit": ("train", "validation"),
    "validate": ("validation",),
    "test": ("test",),
    "predict": ("test",),
}


class ImageDataModule(LightningDataModule):
    """Batches of ``source``'s pictures, as a network with ``preprocessing`` expects them.

    ``batch_size`` is that of all processes together. ``augmentation`` is a preset of `convscope.data.augmentation`,
    for training only. ``seed`` gives the order and the augmentation of every epoch. ``workers`` are
    processes that augment; "auto" takes none without augmentation (a batch is gathered in microseconds) or
    with few cores. ``cache_dir`` keeps the decoded pictures. ``on_bad_image`` "skip" leaves out what cannot
    be read. ``train_size`` is the side of training's squares in pixels, where they are smaller than the network's
    input in evaluation (Touvron et al. 2019): what random crops enlarge, then looks as large as it will.

    Two attributes are for whoever sets up the training: ``channels_last``, the memory format of the images,
    and ``dtype``, their type after normalisation.
    """

    channels_last = False
    dtype = torch.float32

    def __init__(
        self,
        source: ImageSource,
        preprocessing: Preprocessing,
        *,
        batch_size: int,
        cache_dir: Path,
        augmentation: Preset = "none",
        seed: int = 0,
        workers: int | Literal["auto"] = "auto",
        on_bad_image: Literal["error", "skip"] = "error",
        train_size: int | None = None,
    ) -> None:
        super().__init__()
        self.train_size = min(train_size or preprocessing.size, preprocessing.size)
        self.source = source
        self.preprocessing = preprocessing
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.seed = seed
        self.workers = workers
        self.normalise = Normalisation(preprocessing)
        self._cache_dir = cache_dir
        self._on_bad_image: Literal["error", "skip"] = on_bad_image
        self._first_epoch = 0
        self._features: Mapping[str, FeatureSource] = {}
        self._stores: dict[tuple[str, int | None], ImageStore] = {}
        self._loaders: list[BatchLoader] = []

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the labels."""
        return self.source.classes

    @property
    def sizes(self) -> dict[str, int]:
        """Number of pictures of each split, without those skipped where that is known already."""
        return self.source.sizes | {split: len(store) for (split, _), store in self._stores.items()}

    def names(self, split: str) -> list[str]:
        """What the pictures of ``split`` are called, in the order of `ImageBatch.indices`."""
        return self.store(split).names

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was not as asked for: of the source, then of the stores that are open."""
        stores = self._stores.values()
        return self.source.warnings + tuple(dict.fromkeys(warning for store in stores for warning in store.warnings))

    def begin_stage(self, batch_size: int, augmentation: Preset, first_epoch: int) -> None:
        """From now on batches of ``batch_size``, augmented so; epoch 0 of the stage is the run's ``first_epoch``."""
        self.batch_size, self.augmentation, self._first_epoch = batch_size, augmentation, first_epoch
        self._features = {}

    def serve(self, features: Mapping[str, FeatureSource]) -> None:
        """Hand out ``features`` in place of the pictures of their splits, in the same order, until the next stage."""
        self._features = dict(features)

    def content(self, split: str) -> str:
        """A name for the inputs of ``split``: of its pictures, and of all that is done with them in this stage."""
        store = self.store(split)
        told = (split, self.augmentation, self.seed) if self._augments(split) else ()
        return repr((store.key, self.preprocessing, self._size(split), store.rows.tobytes(), told))

    def views(self, split: str, views: int) -> int:
        """How many versions of a picture of ``split`` are worth keeping, of ``views``: one, where none differs."""
        return views if self._augments(split) else 1

    def inputs(
        self, split: str, views: int = 1, batch_size: int = 32, rank: int = 0, world_size: int = 1
    ) -> Iterator[torch.Tensor]:
        """All inputs of ``split`` in its order, normalised, (n, C, H, W), view after view.

        View v of a training picture is the picture as it would be augmented in epoch v. Of several processes
        (``rank`` of ``world_size``) each gets its stretch of the batches.
        """
        reader = self._reader(split)
        batches = torch.arange(len(self.store(split))).split(batch_size)
        for view, indices in stretch([(view, batch) for view in range(views) for batch in batches], rank, world_size):
            images = reader.read(view, indices).inputs
            assert isinstance(images, torch.Tensor)
            yield self.normalise(images, channels_last=self.channels_last, dtype=self.dtype)

    def store(self, split: str) -> ImageStore:
        """The stored pictures of ``split``, opened or filled at the first call.

        Raises ``UserError`` where the source has no such split, or its pictures cannot be read.
        """
        # Random parts are taken of the whole picture.
        crop = None if self._augments(split) else self._size(split)
        if (split, crop) not in self._stores:
            if split not in self.source.splits:
                raise UserError(f"the data set {self.source.name} has no {split} pictures")
            expected = self.preprocessing
            resizing = Resizing(expected.resize, expected.channels, expected.interpolation, crop, expected.pad_from)
            self._stores[split, crop] = open_image_store(
                self.source.splits[split], resizing, self._cache_dir, self._on_bad_image, split
            )
        return self._stores[split, crop]

    def _size(self, split: str) -> int:
        return self.train_size if split == "train" else self.preprocessing.size

    def _augments(self, split: str) -> bool:
        return split == "train" and self.augmentation != "none"

    def setup(self, stage: str | None = None) -> None:
        """Open the stores that ``stage`` needs, all of them without one. A second call does nothing."""
        for split in SPLITS_OF_STAGE.get(stage or "", tuple(self.source.splits)):
            self.store(split)

    def class_weights(self) -> torch.Tensor:
        """(classes,) float32: how much a picture of each class counts, so that all classes count the same.

        Inverse to the frequency in the train split; their mean is 1.
        """
        counts = np.bincount(self.store("train").labels, minlength=len(self.classes))
        weights = 1 / np.maximum(counts, 1)
        return torch.from_numpy(weights / weights.mean()).float()

    def train_dataloader(self) -> BatchLoader:
        """Shuffled batches of the train split."""
        return self._loader("train", self._number_of_workers())

    def val_dataloader(self) -> BatchLoader:
        """Batches of the validation split, in its order."""
        return self._loader("validation")

    def test_dataloader(self) -> BatchLoader:
        """Batches of the test split, in its order."""
        return self._loader("test")

    def predict_dataloader(self) -> BatchLoader:
        """As `test_dataloader`."""
        return self._loader("test")

    def on_after_batch_transfer(self, batch: ImageBatch, dataloader_idx: int) -> ImageBatch:
        """Normalise the images, on the device they are on now."""
        if isinstance(batch.inputs, tuple) or batch.inputs.dtype != torch.uint8:
            return batch
        images = self.normalise(batch.inputs, channels_last=self.channels_last, dtype=self.dtype)
        return batch._replace(inputs=images)

    def teardown(self, stage: str | None = None) -> None:
        """End the worker processes."""
        for loader in self._loaders:
            loader.close()
        self._loaders.clear()

    def _reader(self, split: str) -> BatchReader:
        expected = self.preprocessing
        augment = None
        if self._augments(split):
            augment = augmentation_preset(self.augmentation, self._size(split), expected.interpolation)
        return BatchReader(self.store(split), self._size(split), self.seed, augment)

    def _loader(self, split: str, workers: int = 0) -> BatchLoader:
        store = self.store(split)
        reader: Reader = self._reader(split)
        if (features := self._features.get(split)) is not None:
            reader, workers = FeatureReader(features, store.labels, self.seed), 0
        trainer = self.trainer
        training = split == "train"
        overfit = getattr(trainer, "overfit_batches", 0)  # the same few batches over and over
        shuffle = training and not overfit
        order = EpochOrder(
            len(store),
            self.batch_size,
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
            position=partial(batches_done, trainer) if trainer is not None and training else None,
            shuffled=shuffle,
        )
        self._loaders.append(loader)
        return loader

    def _number_of_workers(self) -> int:
        if self.workers != "auto":
            return self.workers
        cores = available_cores() // (self.trainer.num_devices if self.trainer is not None else 1)
        if self.augmentation == "none" or cores < FEW_CORES:
            return 0
        return min(cores - 1, MOST_WORKERS)
