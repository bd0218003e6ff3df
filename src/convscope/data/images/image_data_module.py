"""An `ImageSource` as a LightningDataModule: stored, shuffled, augmented, batched, normalised on the device."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch

from convscope.data.batches import EpochOrder, ImageBatch, shard
from convscope.data.cores import available_cores
from convscope.data.images.augmentation import Preset
from convscope.data.images.augmentation import augmentation as augmentation_preset
from convscope.data.images.image_batches import ImageBatchReader
from convscope.data.images.image_source import ImageSource
from convscope.data.images.image_store import ImageStore, open_image_store
from convscope.data.images.normalisation import Normalisation
from convscope.data.images.resizing import Resizing
from convscope.data.staged_data_module import StagedDataModule
from convscope.errors import UserError
from convscope.preprocessing import Preprocessing

FEW_CORES = 4  # with fewer, workers take from the training what they give
MOST_WORKERS = 8


class ImageDataModule(StagedDataModule):
    """Batches of ``source``'s images, as a network with ``preprocessing`` expects them.

    ``batch_size`` is that of all processes together. ``augmentation`` is a preset of
    `convscope.data.images.augmentation`, for training only. ``seed`` gives the order and the augmentation of every
    epoch. ``workers`` are processes that augment; "auto" takes none without augmentation (a batch is gathered in
    microseconds) or with few cores. ``cache_dir`` keeps the decoded images. ``on_bad_image`` "skip" leaves out
    what cannot be read. ``train_size`` is the side of training's squares in pixels, where they are smaller than the
    network's input in evaluation (Touvron et al. 2019): what random crops enlarge, then looks as large as it will.

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
        super().__init__(source, batch_size, seed)
        self.train_size = min(train_size or preprocessing.size, preprocessing.size)
        self.source = source
        self.preprocessing = preprocessing
        self.augmentation = augmentation
        self.workers = workers
        self.normalise = Normalisation(preprocessing)
        self._cache_dir = cache_dir
        self._on_bad_image: Literal["error", "skip"] = on_bad_image
        self._stores: dict[tuple[str, int | None], ImageStore] = {}

    @property
    def sizes(self) -> dict[str, int]:
        """Number of images of each split, without those skipped where that is known already."""
        return self.source.sizes | {split: len(store) for (split, _), store in self._stores.items()}

    def names(self, split: str) -> list[str]:
        """What the images of ``split`` are called, in the order of `ImageBatch.indices`."""
        return self.store(split).names

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was not as asked for: of the source, then of the stores that are open."""
        stores = self._stores.values()
        return self.source.warnings + tuple(dict.fromkeys(warning for store in stores for warning in store.warnings))

    def begin_stage(self, batch_size: int, augmentation: Preset, first_epoch: int) -> None:
        """From now on batches of ``batch_size``, augmented so; epoch 0 of the stage is the run's ``first_epoch``."""
        super().begin_stage(batch_size, augmentation, first_epoch)
        self.augmentation = augmentation

    def content(self, split: str) -> str:
        """A name for the inputs of ``split``: of its images, and of all that is done with them in this stage."""
        store = self.store(split)
        told = (split, self.augmentation, self.seed) if self._augments(split) else ()
        return repr((store.key, self.preprocessing, self._size(split), store.rows.tobytes(), told))

    def views(self, split: str, views: int) -> int:
        """How many versions of an image of ``split`` are worth keeping, of ``views``: one, where none differs."""
        return views if self._augments(split) else 1

    def inputs(
        self, split: str, views: int = 1, batch_size: int = 32, rank: int = 0, world_size: int = 1
    ) -> Iterator[torch.Tensor]:
        """All inputs of ``split`` in its order, normalised, (n, C, H, W), view after view.

        View v of a training image is the image as it would be augmented in epoch v. Of several processes
        (``rank`` of ``world_size``) each gets its stretch of the batches.
        """
        reader = self._reader(split)
        batches = torch.arange(len(self.store(split))).split(batch_size)
        for view, indices in shard([(view, batch) for view in range(views) for batch in batches], rank, world_size):
            images = reader.read(view, indices).inputs
            assert isinstance(images, torch.Tensor)
            yield self.normalise(images, channels_last=self.channels_last, dtype=self.dtype)

    def store(self, split: str) -> ImageStore:
        """The stored images of ``split``, opened or filled at the first call.

        Raises ``UserError`` where the source has no such split, or its images cannot be read.
        """
        # Random parts are taken of the whole image.
        crop = None if self._augments(split) else self._size(split)
        if (split, crop) not in self._stores:
            if split not in self.source.splits:
                raise UserError(f"the data set {self.source.name} has no {split} images")
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

    def on_after_batch_transfer(self, batch: ImageBatch, dataloader_idx: int) -> ImageBatch:
        """Normalise the images, on the device they are on now."""
        if isinstance(batch.inputs, tuple) or batch.inputs.dtype != torch.uint8:
            return batch
        images = self.normalise(batch.inputs, channels_last=self.channels_last, dtype=self.dtype)
        return batch._replace(inputs=images)

    def release(self) -> None:
        """Say that the stores are not read any more: the cache may remove them."""
        for store in self._stores.values():
            store.release()

    def _reader(self, split: str) -> ImageBatchReader:
        expected = self.preprocessing
        augment = None
        if self._augments(split):
            augment = augmentation_preset(self.augmentation, self._size(split), expected.interpolation)
        return ImageBatchReader(self.store(split), self._size(split), self.seed, augment)

    def _order(self, split: str, **told: Any) -> EpochOrder:
        return EpochOrder(len(self.store(split)), self.batch_size, **told)

    def _workers(self, split: str) -> int:
        if split != "train":
            return 0
        if self.workers != "auto":
            return self.workers
        cores = self.cores or available_cores()
        if self.augmentation == "none" or cores < FEW_CORES:
            return 0
        return min(cores - 1, MOST_WORKERS)
