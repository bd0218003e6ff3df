"""The pictures that are explained: files, or the test pictures that a run got most wrong and most right."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import TypeAdapter

from convscope.cache import cache_folder
from convscope.config.data import ImageData
from convscope.console import warn
from convscope.data.images.decoding import decode_image
from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.images.image_formats import USUAL, LeftOut, is_image_name
from convscope.data.images.image_source import BadImage
from convscope.data.images.normalisation import Normalisation
from convscope.data.images.resizing import Resizing
from convscope.errors import UserError
from convscope.modalities.images.sources import open_source
from convscope.modalities.images.trained import TrainedRun
from convscope.preprocessing import Preprocessing


@dataclass(frozen=True)
class Pictures:
    """``pixels`` (H, W, C) uint8 as the network sees them, ``inputs`` (N, C, H, W) normalised.

    ``labels`` (N,) int64 are the true classes, None where nobody knows them.
    """

    names: list[str]
    pixels: list[np.ndarray]
    inputs: torch.Tensor
    labels: torch.Tensor | None


def pictures_of_files(path: Path, seen: Preprocessing, most: int) -> Pictures:
    """The picture at ``path``, or the first ``most`` below that folder, in the order of their names.

    Raises:
        UserError: There is none, or one cannot be read.
    """
    if path.is_dir():
        everything = sorted(
            Path(folder) / name for folder, _, names in os.walk(path) for name in names if not name.startswith(".")
        )
        files = [file for file in everything if is_image_name(file.name)][:most]
        left_out = LeftOut()
        for file in everything:
            if not is_image_name(file.name):
                left_out.add(file.relative_to(path).as_posix())
        if not files:
            beside = f", but{unreadable}" if (unreadable := left_out.unreadable()) else ""
            raise UserError(f"images={path}: there is no picture in this folder ({USUAL}){beside}")
        for sentence in left_out.sentences(f"images={path}"):
            warn(sentence)
        names = [file.relative_to(path).as_posix() for file in files]
    elif path.is_file():
        files, names = [path], [path.name]
    else:
        raise UserError(f"images={path}: there is no such file or folder")
    resizing = Resizing(seen.resize, seen.channels, seen.interpolation, seen.size)
    pixels = []
    for file, name in zip(files, names, strict=True):
        try:
            pixels.append(resizing(decode_image(file, name, at_least=2 * seen.resize)))
        except BadImage as bad:
            raise UserError(f"images={path}: {bad}") from bad
    return Pictures(names, pixels, normalised(pixels, seen), None)


def worst_and_best(trained: TrainedRun, most: int) -> Pictures:
    """Of the run's test pictures the ``most`` it was surest of and wrong, then those it was surest of and right.

    Raises:
        UserError: The data of the run is not there any more, or is another.
    """
    told: ImageData = TypeAdapter(ImageData).validate_python(trained.config["data"])
    source = open_source(told)
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
        chosen += places[sure[places].argsort(descending=True, stable=True)][:most].tolist()
    crops = store.centre_crops(torch.tensor(chosen), size).permute(0, 2, 3, 1).numpy()
    pixels = [np.ascontiguousarray(crop) for crop in crops]
    names = [store.names[number] for number in chosen]
    return Pictures(names, pixels, normalised(pixels, trained.preprocessing), labels[chosen])


def normalised(pixels: list[np.ndarray], seen: Preprocessing) -> torch.Tensor:
    """(N, C, H, W) float32 of pictures (H, W, C) uint8, all of one size."""
    stacked = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
    return Normalisation(seen)(stacked)
