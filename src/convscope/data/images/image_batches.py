"""Batches of images from a store, augmented with random numbers that depend on seed, epoch and image alone."""

from collections.abc import Callable

import numpy as np
import torch
from torch.utils.data import Dataset

from convscope.data.batches import AUGMENTATION, LabelledBatch
from convscope.data.images.augmentation import BatchAugmentation
from convscope.data.images.image_store import ImageStore


class ImageBatchReader(Dataset[LabelledBatch]):
    """Reads batches of images from an `ImageStore`, and augments them.

    Args:
        store: The images.
        size: Side of the centre crops, in pixels, unless ``augment`` is a function of one image.
        seed: Determines the augmentation, together with the epoch and the image.
        augment: The augmentation: a function of one image (C, H, W) uint8, which is applied image by image and also
            crops; a `BatchAugmentation`, which is applied to the whole batch of centre crops; or None.
    """

    def __init__(
        self,
        store: ImageStore,
        size: int,
        seed: int = 0,
        augment: Callable[[torch.Tensor], torch.Tensor] | BatchAugmentation | None = None,
    ) -> None:
        self._store, self._size, self._seed = store, size, seed
        self._augment_batch = augment if isinstance(augment, BatchAugmentation) else None
        self._augment_image = None if isinstance(augment, BatchAugmentation) else augment
        self._uniforms: tuple[int, torch.Tensor] | None = None  # the epoch, and a row for each image
        self._labels = torch.from_numpy(store.labels)

    def read(self, epoch: int, indices: torch.Tensor) -> LabelledBatch:
        """Return the images ``indices`` (N,) int64, as augmented in ``epoch``; (N, C, H, W) uint8."""
        if self._augment_image is not None:
            images = self._augmented(self._augment_image, epoch, indices)
        else:
            images = self._store.centre_crops(indices, self._size)
            if self._augment_batch is not None:
                uniforms = self._uniforms_of(epoch, self._augment_batch.draws)
                images = self._augment_batch(images, uniforms.index_select(0, indices))
        return LabelledBatch(images, self._labels.index_select(0, indices), indices)

    def _uniforms_of(self, epoch: int, draws: int) -> torch.Tensor:
        """Return uniform random numbers of [0, 1) for all images of the store, (images, ``draws``) float32."""
        if self._uniforms is None or self._uniforms[0] != epoch:
            generator = np.random.default_rng([self._seed, AUGMENTATION, epoch])
            uniforms = generator.random((len(self._labels), draws), dtype=np.float32)
            self._uniforms = (epoch, torch.from_numpy(uniforms))
        return self._uniforms[1]

    def _augmented(
        self, augment: Callable[[torch.Tensor], torch.Tensor], epoch: int, indices: torch.Tensor
    ) -> torch.Tensor:
        """Augment the images ``indices`` one by one; restore the global generator and number of threads."""
        images: torch.Tensor | None = None
        generator = torch.default_generator  # the only one from which torchvision's transforms draw
        state, threads = generator.get_state(), torch.get_num_threads()
        torch.set_num_threads(1)  # an image is too small for several threads: they would wait longer than they work
        try:
            for number, index in enumerate(indices.tolist()):
                seed_sequence = np.random.SeedSequence([self._seed, AUGMENTATION, epoch, index])
                generator.manual_seed(int(seed_sequence.generate_state(1, np.uint64)[0]))
                copied = torch.from_numpy(np.array(self._store.image(index)))  # the augmentation may write to its input
                image = augment(copied.permute(2, 0, 1))
                if images is None:
                    images = torch.empty((len(indices), *image.shape), dtype=torch.uint8)
                images[number] = image
        finally:
            generator.set_state(state)
            torch.set_num_threads(threads)
        assert images is not None
        return images

    def __getitem__(self, item: tuple[int, np.ndarray]) -> LabelledBatch:
        """Return the batch of ``item``, an epoch and indices (N,), as the `DataLoader` of a worker process needs it."""
        epoch, indices = item
        return self.read(epoch, torch.from_numpy(indices))
