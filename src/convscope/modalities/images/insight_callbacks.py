"""The callbacks that look into the network, with the images that they look at."""

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

METHODS = ("gradient", "grad_cam")  # where none are named


def saliency_callbacks(
    config: CallbacksConfig,
    recorder: Recorder,
    network: Network,
    data: ImageDataModule,
    time_spent: TimeSpent,
    warn: Callable[[str], None],
) -> list[Callback]:
    """Maps of fixed validation images during the training, where they are asked for."""
    if config.saliency is None:
        return []
    most = config.saliency.images

    def images() -> ImageSamples:
        return image_samples(data, "validation", balanced_indices(data.store("validation").labels, most))

    own = config.saliency
    methods = own.methods or METHODS
    return [SaliencyMaps(recorder, network.module, images, data.classes, methods, own.every_epochs, time_spent, warn)]


def analysis_callbacks(
    config: CallbacksConfig,
    recorder: Recorder,
    network: Network,
    data: ImageDataModule,
    time_spent: TimeSpent,
    warn: Callable[[str], None],
) -> list[Callback]:
    """What is looked at after the test, where it is asked for."""
    if config.analysis is None:
        return []
    split = TestImages(
        samples=lambda indices: image_samples(data, "test", indices),
        mask=lambda index: scene_mask(data, "test", index),
        count=len(data.store("test")),
    )
    looks = AnalysisSettings(**config.analysis.model_dump(exclude={"methods"}))
    return [
        AnalysisCallback(
            recorder,
            network.module,
            split,
            data.classes,
            config.analysis.methods,
            looks,
            _field(network),
            time_spent,
            warn,
            track,
        )
    ]


def _field(network: Network) -> Callable[[str], Field | None]:
    """From a layer's path to its receptive field; None where it is not known."""

    def field(path: str) -> Field | None:
        seen = network.preprocessing
        fields = receptive_fields(network.module, (1, seen.channels, seen.size, seen.size))
        # a container sees what the last layer in it sees
        inside = [one.field for one in fields if one.path == path or one.path.startswith(f"{path}.")]
        return inside[-1] if inside else None

    return field


def image_samples(data: ImageDataModule, split: str, indices: Sequence[int]) -> ImageSamples:
    """The images ``indices`` of a split, as the network sees them."""
    store = data.store(split)
    chosen = torch.as_tensor(indices, dtype=torch.int64)
    crops = store.centre_crops(chosen, data.preprocessing.size)
    pixels = [np.ascontiguousarray(crop) for crop in crops.permute(0, 2, 3, 1).numpy()]
    return ImageSamples(pixels, data.normalise(crops), torch.from_numpy(store.labels)[chosen])


def scene_mask(data: ImageDataModule, split: str, index: int) -> np.ndarray | None:
    """Where the subject of a drawn scene is, (size, size) bool, cut as its image is; None for other images."""
    scenes = data.source.splits[split]
    if not isinstance(scenes, SceneSplit):
        return None
    seen = data.preprocessing
    drawn = scenes.mask(int(data.store(split).rows[index]))
    pixels = Resizing(seen.resize, 1, "nearest", None)(drawn[..., None].astype(np.uint8) * 255)
    return centre(pixels, seen.size)[..., 0] > 127


def balanced_indices(labels: np.ndarray, count: int) -> list[int]:
    """``most`` indices, the classes taken in turn."""
    groups = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
    turns = [group[turn] for turn in range(max(map(len, groups))) for group in groups if turn < len(group)]
    return sorted(turns[:count], key=lambda index: (labels[index], index))
