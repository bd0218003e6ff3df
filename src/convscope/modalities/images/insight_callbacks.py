"""The callbacks that analyse an image network, with the images that they analyse it on."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from pytorch_lightning.callbacks import Callback

from convscope.callbacks.analysis import AnalysisCallback, AnalysisSettings, TestImages
from convscope.callbacks.saliency_maps import ImageSamples, SaliencyMaps
from convscope.callbacks.time_spent import TimeSpent
from convscope.config.train import CallbacksConfig
from convscope.console import track
from convscope.data.images.hotdog import SceneSplit
from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.images.resizing import Resizing, centre
from convscope.insight.receptive_field import Field, receptive_fields
from convscope.models.images.zoo.network import Network
from convscope.tracking.recorder import Recorder

METHODS = ("gradient", "grad_cam")  # if the configuration names none


def saliency_callbacks(
    config: CallbacksConfig,
    recorder: Recorder,
    network: Network,
    data: ImageDataModule,
    time_spent: TimeSpent,
    warn: Callable[[str], None],
) -> list[Callback]:
    """Return the callback that maps fixed validation images during training; none if ``callbacks.saliency`` is off."""
    if config.saliency is None:
        return []
    max_images = config.saliency.images

    def images() -> ImageSamples:
        return image_samples(data, "validation", balanced_indices(data.store("validation").labels, max_images))

    saliency = config.saliency
    methods = saliency.methods or METHODS
    return [
        SaliencyMaps(recorder, network.module, images, data.classes, methods, saliency.every_epochs, time_spent, warn)
    ]


def analysis_callbacks(
    config: CallbacksConfig,
    recorder: Recorder,
    network: Network,
    data: ImageDataModule,
    time_spent: TimeSpent,
    warn: Callable[[str], None],
) -> list[Callback]:
    """Return the callback that analyses the network after the test; nothing if ``callbacks.analysis`` is off."""
    if config.analysis is None:
        return []
    split = TestImages(
        samples=lambda indices: image_samples(data, "test", indices),
        mask=lambda index: scene_mask(data, "test", index),
        count=len(data.store("test")),
    )
    settings = AnalysisSettings(**config.analysis.model_dump(exclude={"methods"}))
    return [
        AnalysisCallback(
            recorder,
            network.module,
            split,
            data.classes,
            config.analysis.methods,
            settings,
            _field_finder(network),
            time_spent,
            warn,
            track,
        )
    ]


def _field_finder(network: Network) -> Callable[[str], Field | None]:
    """Return a function from a layer's path to its receptive field, or to None if that is not known."""

    def field(path: str) -> Field | None:
        preprocessing = network.preprocessing
        fields = receptive_fields(network.module, (1, preprocessing.channels, preprocessing.size, preprocessing.size))
        # the field of a container is that of its last layer
        inside = [layer.field for layer in fields if layer.path == path or layer.path.startswith(f"{path}.")]
        return inside[-1] if inside else None

    return field


def image_samples(data: ImageDataModule, split: str, indices: Sequence[int]) -> ImageSamples:
    """Return the images ``indices`` of a split, as the network sees them."""
    store = data.store(split)
    chosen = torch.as_tensor(indices, dtype=torch.int64)
    crops = store.centre_crops(chosen, data.preprocessing.size)
    pixels = [np.ascontiguousarray(crop) for crop in crops.permute(0, 2, 3, 1).numpy()]
    return ImageSamples(pixels, data.normalise(crops), torch.from_numpy(store.labels)[chosen])


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


def balanced_indices(labels: np.ndarray, count: int) -> list[int]:
    """Return at most ``count`` indices, taken from the classes in turn, sorted by class and then by index."""
    groups = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
    alternating = [group[turn] for turn in range(max(map(len, groups))) for group in groups if turn < len(group)]
    return sorted(alternating[:count], key=lambda index: (labels[index], index))
