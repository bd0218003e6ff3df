"""Batches out of an image store, augmented by random numbers that depend on seed, epoch and image alone."""

from collections.abc import Callable

import numpy as np
import torch
from torch.utils.data import Dataset

from convscope.data.batches import AUGMENTATION, ImageBatch
from convscope.data.images.augmentation import BatchAugmentation
from convscope.data.images.image_store import ImageStore


class ImageBatchReader(Dataset[ImageBatch]):
    """Reads a batch of an `ImageStore`: in one go or, where ``augment`` is of one image, image by image."""

    def __init__(
        self,
        store: ImageStore,
        size: int,
        seed: int = 0,
        augment: Callable[[torch.Tensor], torch.Tensor] | BatchAugmentation | None = None,
    ) -> None:
        self._store, self._size, self._seed = store, size, seed
        self._change_batch = augment if isinstance(augment, BatchAugmentation) else None
        self._change_image = None if isinstance(augment, BatchAugmentation) else augment
        self._uniforms: tuple[int, torch.Tensor] | None = None  # of an epoch, a row for each image
        self._labels = torch.from_numpy(store.labels)

    def read(self, epoch: int, indices: torch.Tensor) -> ImageBatch:
        """The images ``indices`` (N,) as they are in ``epoch``."""
        if self._change_image is not None:
            images = self._augmented(self._change_image, epoch, indices)
        else:
            images = self._store.centre_crops(indices, self._size)
            if self._change_batch is not None:
                drawn = self._drawn(epoch, self._change_batch.draws)
                images = self._change_batch(images, drawn.index_select(0, indices))
        return ImageBatch(images, self._labels.index_select(0, indices), indices)

    def _drawn(self, epoch: int, draws: int) -> torch.Tensor:
        if self._uniforms is None or self._uniforms[0] != epoch:
            generator = np.random.default_rng([self._seed, AUGMENTATION, epoch])
            drawn = generator.random((len(self._labels), draws), dtype=np.float32)
            self._uniforms = (epoch, torch.from_numpy(drawn))
        return self._uniforms[1]

    def _augmented(
        self, augment: Callable[[torch.Tensor], torch.Tensor], epoch: int, indices: torch.Tensor
    ) -> torch.Tensor:
        images: torch.Tensor | None = None
        generator = torch.default_generator  # torchvision's transforms draw from nothing else
        state, threads = generator.get_state(), torch.get_num_threads()
        torch.set_num_threads(1)  # an image is too little for several: they wait longer than they work
        try:
            for number, index in enumerate(indices.tolist()):
                mixed = np.random.SeedSequence([self._seed, AUGMENTATION, epoch, index])
                generator.manual_seed(int(mixed.generate_state(1, np.uint64)[0]))
                copied = torch.from_numpy(np.array(self._store.image(index)))  # it may write to what it is given
                image = augment(copied.permute(2, 0, 1))
                if images is None:
                    images = torch.empty((len(indices), *image.shape), dtype=torch.uint8)
                images[number] = image
        finally:
            generator.set_state(state)
            torch.set_num_threads(threads)
        assert images is not None
        return images

    def __getitem__(self, item: tuple[int, np.ndarray]) -> ImageBatch:
        """In a worker process: ``item`` is (epoch, indices)."""
        epoch, indices = item
        return self.read(epoch, torch.from_numpy(indices))
