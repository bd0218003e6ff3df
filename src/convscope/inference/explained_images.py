"""The images to explain: given files, or the test images for which a run was most confident."""

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
from convscope.data.images.image_formats import USUAL_FORMATS, SkippedFiles, is_image_name
from convscope.data.images.image_source import BadImageError
from convscope.data.images.normalisation import Normalisation
from convscope.data.images.resizing import Resizing
from convscope.errors import UserError
from convscope.modalities.images.sources import open_images
from convscope.modalities.images.trained import TrainedImageRun
from convscope.preprocessing import Preprocessing


@dataclass(frozen=True)
class ExplainedImages:
    """Images to explain.

    Attributes:
        names: Name of each image.
        pixels: Each image as it is cropped for the network, (H, W, C) uint8.
        inputs: The normalised images, (N, C, H, W) float32.
        labels: The true classes, (N,) int64; None if they are not known.
    """

    names: list[str]
    pixels: list[np.ndarray]
    inputs: torch.Tensor
    labels: torch.Tensor | None


def read_images(path: Path, preprocessing: Preprocessing, max_images: int) -> ExplainedImages:
    """Return the image at ``path``, or the first ``max_images`` in that folder and its subfolders, sorted by name.

    Raises:
        UserError: There is no image, or one cannot be read.
    """
    if path.is_dir():
        all_files = sorted(
            Path(folder) / name for folder, _, names in os.walk(path) for name in names if not name.startswith(".")
        )
        files = [file for file in all_files if is_image_name(file.name)][:max_images]
        left_out = SkippedFiles()
        for file in all_files:
            if not is_image_name(file.name):
                left_out.add(file.relative_to(path).as_posix())
        if not files:
            hint = f", but{unreadable}" if (unreadable := left_out.unreadable()) else ""
            raise UserError(f"images={path}: there is no image in this folder ({USUAL_FORMATS}){hint}")
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
        except BadImageError as error:
            raise UserError(f"images={path}: {error}") from error
    return ExplainedImages(names, pixels, normalise_images(pixels, preprocessing), None)


def most_confident_images(trained: TrainedImageRun, max_images: int) -> ExplainedImages:
    """Return the most confident wrong predictions of the run's test images, then the most confident correct ones.

    Args:
        trained: The run.
        max_images: Number of images of each of the two kinds.

    Raises:
        UserError: The data of the run cannot be found, or has other classes than the run.
    """
    data_config: ImageDataConfig = TypeAdapter(ImageDataConfig).validate_python(trained.config["data"])
    source = open_images(data_config)
    if source.classes != trained.classes:
        raise UserError(
            f"data={data_config.name}: has the classes {', '.join(source.classes)}, and the run knows "
            f"{', '.join(trained.classes)}; give images=PATH"
        )
    data = ImageDataModule(
        source,
        trained.preprocessing,
        batch_size=data_config.batch_size,
        cache_dir=cache_folder(data_config.cache_dir),
        on_bad_image=data_config.on_bad_image,
    )
    data.setup("test")
    for warning in data.warnings:
        warn(warning)
    store, size = data.store("test"), trained.preprocessing.size
    with torch.no_grad():
        logits = [
            trained.network(data.normalise(store.centre_crops(indices, size)))
            for indices in torch.arange(len(store)).split(data_config.batch_size)
        ]
    confidences, predicted = torch.cat(logits).softmax(dim=1).max(dim=1)
    labels = torch.from_numpy(store.labels)
    chosen: list[int] = []
    for group in (predicted != labels, predicted == labels):
        candidates = torch.nonzero(group).flatten()
        chosen += candidates[confidences[candidates].argsort(descending=True, stable=True)][:max_images].tolist()
    crops = store.centre_crops(torch.tensor(chosen), size).permute(0, 2, 3, 1).numpy()
    pixels = [np.ascontiguousarray(crop) for crop in crops]
    names = [store.names[number] for number in chosen]
    return ExplainedImages(names, pixels, normalise_images(pixels, trained.preprocessing), labels[chosen])


def normalise_images(pixels: list[np.ndarray], preprocessing: Preprocessing) -> torch.Tensor:
    """Return images (H, W, C) uint8, all of one size, as a normalised batch (N, C, H, W) float32."""
    stacked = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
    return Normalisation(preprocessing)(stacked)
