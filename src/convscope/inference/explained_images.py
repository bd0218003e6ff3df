"""The images that are explained: files, or the test images that a run got most wrong and most right."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import TypeAdapter

from convscope.cache import cache_folder
from convscope.config.data import ImageDataConfig
from convscope.console import warn
from convscope.data.images.decoding import decode_image
from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.images.image_formats import USUAL, LeftOut, is_image_name
from convscope.data.images.image_source import BadImageError
from convscope.data.images.normalisation import Normalisation
from convscope.data.images.resizing import Resizing
from convscope.errors import UserError
from convscope.modalities.images.sources import open_images
from convscope.modalities.images.trained import TrainedRun
from convscope.preprocessing import Preprocessing


@dataclass(frozen=True)
class ExplainedImages:
    """``pixels`` (H, W, C) uint8 as the network sees them, ``inputs`` (N, C, H, W) normalised.

    ``labels`` (N,) int64 are the true classes, None where nobody knows them.
    """

    names: list[str]
    pixels: list[np.ndarray]
    inputs: torch.Tensor
    labels: torch.Tensor | None


def read_images(path: Path, preprocessing: Preprocessing, max_images: int) -> ExplainedImages:
    """The image at ``path``, or the first ``most`` below that folder, in the order of their names.

    Raises:
        UserError: There is none, or one cannot be read.
    """
    if path.is_dir():
        everything = sorted(
            Path(folder) / name for folder, _, names in os.walk(path) for name in names if not name.startswith(".")
        )
        files = [file for file in everything if is_image_name(file.name)][:max_images]
        left_out = LeftOut()
        for file in everything:
            if not is_image_name(file.name):
                left_out.add(file.relative_to(path).as_posix())
        if not files:
            beside = f", but{unreadable}" if (unreadable := left_out.unreadable()) else ""
            raise UserError(f"images={path}: there is no image in this folder ({USUAL}){beside}")
        for sentence in left_out.sentences(f"images={path}"):
            warn(sentence)
        names = [file.relative_to(path).as_posix() for file in files]
    elif path.is_file():
        files, names = [path], [path.name]
    else:
        raise UserError(f"images={path}: there is no such file or folder")
    resizing = Resizing(preprocessing.resize, preprocessing.channels, preprocessing.interpolation, preprocessing.size)
    pixels = []
    for file, name in zip(files, names, strict=True):
        try:
            pixels.append(resizing(decode_image(file, name, min_size=2 * preprocessing.resize)))
        except BadImageError as bad:
            raise UserError(f"images={path}: {bad}") from bad
    return ExplainedImages(names, pixels, normalise_images(pixels, preprocessing), None)


def worst_and_best(trained: TrainedRun, max_images: int) -> ExplainedImages:
    """Of the run's test images the ``most`` it was surest of and wrong, then those it was surest of and right.

    Raises:
        UserError: The data of the run is not there any more, or is another.
    """
    told: ImageDataConfig = TypeAdapter(ImageDataConfig).validate_python(trained.config["data"])
    source = open_images(told)
    if source.classes != trained.classes:
        raise UserError(
            f"data={told.name}: has the classes {', '.join(source.classes)}, and the run knows "
            f"{', '.join(trained.classes)}; give images=PATH"
        )
    data = ImageDataModule(
        source,
        trained.preprocessing,
        batch_size=told.batch_size,
        cache_dir=cache_folder(told.cache_dir),
        on_bad_image=told.on_bad_image,
    )
    data.setup("test")
    for warning in data.warnings:
        warn(warning)
    store, size = data.store("test"), trained.preprocessing.size
    with torch.no_grad():
        logits = [
            trained.network(data.normalise(store.centre_crops(indices, size)))
            for indices in torch.arange(len(store)).split(told.batch_size)
        ]
    sure, predicted = torch.cat(logits).softmax(dim=1).max(dim=1)
    labels = torch.from_numpy(store.labels)
    chosen: list[int] = []
    for group in (predicted != labels, predicted == labels):
        places = torch.nonzero(group).flatten()
        chosen += places[sure[places].argsort(descending=True, stable=True)][:max_images].tolist()
    crops = store.centre_crops(torch.tensor(chosen), size).permute(0, 2, 3, 1).numpy()
    pixels = [np.ascontiguousarray(crop) for crop in crops]
    names = [store.names[number] for number in chosen]
    return ExplainedImages(names, pixels, normalise_images(pixels, trained.preprocessing), labels[chosen])


def normalise_images(pixels: list[np.ndarray], preprocessing: Preprocessing) -> torch.Tensor:
    """(N, C, H, W) float32 of images (H, W, C) uint8, all of one size."""
    stacked = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
    return Normalisation(preprocessing)(stacked)
