"""The LightningDataModule of images: it stores, shuffles, augments and batches them, and normalises on the device."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from typing_extensions import override

from convscope.data.batches import EpochBatchSampler, LabelledBatch, shard
from convscope.data.cores import available_cores
from convscope.data.images.augmentation import Augmentation, preset
from convscope.data.images.image_batches import ImageBatchReader
from convscope.data.images.image_source import ImageSource
from convscope.data.images.image_store import ImageStore, open_image_store
from convscope.data.images.normalisation import Normalisation
from convscope.data.images.resizing import Resizing
from convscope.data.staged_data_module import StagedDataModule
from convscope.errors import UserError
from convscope.preprocessing import Preprocessing

MIN_CORES_FOR_WORKERS = 4  # with fewer, the workers slow down the training as much as they help it
MAX_WORKERS = 8


class ImageDataModule(StagedDataModule):
    """Loads batches of images as a network with a given preprocessing expects them.

    Args:
        source: The images.
        preprocessing: What the network expects: channels, size, mean and standard deviation, ...
        batch_size: Number of images of a batch, of all processes together.
        cache_dir: Folder of the cache that keeps the decoded images.
        augmentation: An augmentation, or the name of a preset, for the training images only.
        seed: Determines the order and the augmentation of every epoch.
        workers: Number of worker processes that augment the images. "auto" uses none without augmentation, because a
            batch is then gathered in microseconds, and none with few cores.
        on_bad_image: "error" to raise an error for images that cannot be read, "skip" to leave them out.
        train_size: Side of the training images in pixels, if they are to be smaller than the images in evaluation
            (Touvron et al. 2019): random crops enlarge objects, so that with smaller training images the objects have
            the same size as in evaluation. None for the size of evaluation.

    Attributes:
        channels_last: Whether the images have the channels-last memory format; set by the code that sets up the
            training.
        dtype: Type of the images after normalisation; set by the code that sets up the training.
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
        augmentation: Augmentation | str = "none",
        seed: int = 0,
        workers: int | Literal["auto"] = "auto",
        on_bad_image: Literal["error", "skip"] = "error",
        train_size: int | None = None,
    ) -> None:
        super().__init__(source, batch_size, seed)
        self.train_size = min(train_size or preprocessing.size, preprocessing.size)
        self.source = source
        self.preprocessing = preprocessing
        self.augmentation = preset(augmentation) if isinstance(augmentation, str) else augmentation
        self.workers = workers
        self.normalise = Normalisation(preprocessing)
        self._cache_dir = cache_dir
        self._on_bad_image: Literal["error", "skip"] = on_bad_image
        self._stores: dict[tuple[str, int | None], ImageStore] = {}

    @property
    def sizes(self) -> dict[str, int]:
        """Number of images of each split; skipped images are left out once the store of the split is open."""
        return self.source.sizes | {split: len(store) for (split, _), store in self._stores.items()}

    def names(self, split: str) -> list[str]:
        """Return the names of the images of ``split``, in the order of `LabelledBatch.indices`."""
        return self.store(split).names

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about the source, then about the stores that are open."""
        stores = self._stores.values()
        return self.source.warnings + tuple(dict.fromkeys(warning for store in stores for warning in store.warnings))

    @override
    def begin_stage(self, batch_size: int, augmentation: Augmentation | str, first_epoch: int) -> None:
        super().begin_stage(batch_size, augmentation, first_epoch)
        self.augmentation = preset(augmentation) if isinstance(augmentation, str) else augmentation

    def inputs_key(self, split: str) -> str:
        """Return a key of the inputs of ``split``: of its images, their preprocessing and this stage's augmentation."""
        store = self.store(split)
        augmentation = (split, self.augmentation.key, self.seed) if self._augments(split) else ()
        return repr((store.key, self.preprocessing, self._size(split), store.rows.tobytes(), augmentation))

    def distinct_views(self, split: str, views: int) -> int:
        """Return how many of ``views`` versions of an image of ``split`` differ: one without augmentation, else all."""
        return views if self._augments(split) else 1

    def samples(self, split: str, indices: Sequence[int]) -> tuple[list[np.ndarray], torch.Tensor]:
        """Return the images ``indices`` of ``split`` without augmentation.

        Returns:
            The pixels of each, (H, W, C) uint8, and the inputs of the network, (N, C, H, W).
        """
        crops = self.store(split).centre_crops(torch.as_tensor(indices, dtype=torch.int64), self.preprocessing.size)
        pixels = [np.ascontiguousarray(crop) for crop in crops.permute(0, 2, 3, 1).numpy()]
        return pixels, self.normalise(crops)

    def inputs(
        self, split: str, views: int = 1, batch_size: int = 32, rank: int = 0, world_size: int = 1
    ) -> Iterator[torch.Tensor]:
        """Yield all inputs of ``split`` in batches (n, C, H, W), normalised, in the store's order, view after view.

        Args:
            split: Name of the split.
            views: Number of versions of each image. View v of a training image is the image as augmented in epoch v.
            batch_size: Number of images of a batch.
            rank: Number of this process, which gets a contiguous part of the batches.
            world_size: Number of processes.
        """
        reader = self._reader(split)
        batches = torch.arange(len(self.store(split))).split(batch_size)
        for view, indices in shard([(view, batch) for view in range(views) for batch in batches], rank, world_size):
            images = reader.read(view, indices).inputs
            assert isinstance(images, torch.Tensor)
            yield self.normalise(images, channels_last=self.channels_last, dtype=self.dtype)

    def store(self, split: str) -> ImageStore:
        """Return the stored images of ``split``; the first call opens the store, or reads and stores all images.

        Raises:
            UserError: The source has no such split, or its images cannot be read.
        """
        # Random crops are taken from the whole image.
        crop = None if self._augments(split) else self._size(split)
        if (split, crop) not in self._stores:
            if split not in self.source.splits:
                raise UserError(f"the data set {self.source.name} has no {split} images")
            self._stores[split, crop] = open_image_store(
                self.source.splits[split],
                Resizing.expected_by(self.preprocessing, crop),
                self._cache_dir,
                self._on_bad_image,
                split,
            )
        return self._stores[split, crop]

    def _size(self, split: str) -> int:
        return self.train_size if split == "train" else self.preprocessing.size

    def _augments(self, split: str) -> bool:
        return split == "train" and not self.augmentation.changes_nothing

    def on_after_batch_transfer(self, batch: LabelledBatch, dataloader_idx: int) -> LabelledBatch:
        """Normalise the images, on the device that the batch was moved to."""
        if isinstance(batch.inputs, tuple) or batch.inputs.dtype != torch.uint8:
            return batch
        images = self.normalise(batch.inputs, channels_last=self.channels_last, dtype=self.dtype)
        return batch._replace(inputs=images)

    def release(self) -> None:
        """Allow the cache to remove the stores, because they are not read any more."""
        for store in self._stores.values():
            store.release()

    @override
    def _reader(self, split: str) -> ImageBatchReader:
        expected = self.preprocessing
        augment = None
        if self._augments(split):
            augment = self.augmentation.make(self._size(split), expected.interpolation)
        return ImageBatchReader(self.store(split), self._size(split), self.seed, augment)

    @override
    def _order(self, split: str, **options: Any) -> EpochBatchSampler:
        return EpochBatchSampler(len(self.store(split)), self.batch_size, **options)

    @override
    def _workers(self, split: str) -> int:
        if split != "train":
            return 0
        if self.workers != "auto":
            return self.workers
        cores = self.cores or available_cores()
        if self.augmentation.changes_nothing or cores < MIN_CORES_FOR_WORKERS:
            return 0
        return min(cores - 1, MAX_WORKERS)
