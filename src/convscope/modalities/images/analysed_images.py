"""The images that a network is analysed on: as the network sees them, and where the subject of each is."""

from collections.abc import Sequence

import numpy as np
import torch

from convscope.callbacks.saliency_maps import ImageSamples
from convscope.data.images.hotdog import SceneSplit
from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.images.resizing import Resizing, centre


def image_samples(data: ImageDataModule, split: str, indices: Sequence[int]) -> ImageSamples:
    """Return the images ``indices`` of a split, as the network sees them."""
    store = data.store(split)
    pixels, inputs = data.samples(split, indices)
    labels = torch.from_numpy(store.labels)[torch.as_tensor(indices, dtype=torch.int64)]
    return ImageSamples(pixels, inputs, labels)


def scene_mask(data: ImageDataModule, split: str, index: int) -> np.ndarray | None:
    """Return where the subject of a drawn scene is, (size, size) bool; None for other images.

    The mask is resized and cropped as its image is.
    """
    scenes = data.source.splits[split]
    if not isinstance(scenes, SceneSplit):
        return None
    preprocessing = data.preprocessing
    mask = scenes.mask(int(data.store(split).rows[index]))
    pixels = Resizing(preprocessing.resize, 1, "nearest", None)(mask[..., None].astype(np.uint8) * 255)
    return centre(pixels, preprocessing.size)[..., 0] > 127
