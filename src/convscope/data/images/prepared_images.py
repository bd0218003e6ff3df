"""Images as a network expects them, read from files or taken from memory."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from convscope.data.images.decoding import decode_image
from convscope.data.images.image_formats import USUAL_FORMATS, SkippedFiles, is_image_name
from convscope.data.images.image_source import BadImageError
from convscope.data.images.normalisation import Normalisation
from convscope.data.images.resizing import Resizing
from convscope.errors import UserError
from convscope.preprocessing import Preprocessing


@dataclass(frozen=True)
class PreparedImages:
    """N images that are resized, cropped and normalised for a network.

    Attributes:
        names: Name of each image.
        pixels: Each image as it is cropped, (H, W, C) uint8.
        inputs: The normalised images, (N, C, H, W) float32.
        warnings: Sentences about files that were skipped.
    """

    names: Sequence[str]
    pixels: Sequence[np.ndarray]
    inputs: torch.Tensor
    warnings: Sequence[str] = ()

    @classmethod
    def from_crops(
        cls,
        names: Sequence[str],
        pixels: Sequence[np.ndarray],
        preprocessing: Preprocessing,
        warnings: Sequence[str] = (),
    ) -> "PreparedImages":
        """Normalise ``pixels``, images (H, W, C) uint8 that are resized and cropped."""
        stacked = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
        return cls(names, pixels, Normalisation(preprocessing)(stacked), warnings)


def prepare_image(name: str, pixels: np.ndarray, preprocessing: Preprocessing) -> PreparedImages:
    """Prepare one image, (H, W, 1 or 3) uint8 of any size."""
    crop = Resizing.expected_by(preprocessing, preprocessing.size)(pixels)
    return PreparedImages.from_crops([name], [crop], preprocessing)


def read_images(path: Path, preprocessing: Preprocessing, max_images: int) -> PreparedImages:
    """Read the image at ``path``, or the first ``max_images`` in that folder and its subfolders, sorted by name.

    Raises:
        UserError: There is no image, or one cannot be read.
    """
    left_out = SkippedFiles()
    if path.is_dir():
        all_files = sorted(
            Path(folder) / name for folder, _, names in os.walk(path) for name in names if not name.startswith(".")
        )
        files = [file for file in all_files if is_image_name(file.name)][:max_images]
        for file in all_files:
            if not is_image_name(file.name):
                left_out.add(file.relative_to(path).as_posix())
        if not files:
            hint = f", but{unreadable}" if (unreadable := left_out.unreadable()) else ""
            raise UserError(f"images={path}: there is no image in this folder ({USUAL_FORMATS}){hint}")
        names = [file.relative_to(path).as_posix() for file in files]
    elif path.is_file():
        files, names = [path], [path.name]
    else:
        raise UserError(f"images={path}: there is no such file or folder")
    resizing = Resizing.expected_by(preprocessing, preprocessing.size)
    pixels = []
    for file, name in zip(files, names, strict=True):
        try:
            pixels.append(resizing(decode_image(file, name, min_size=2 * resizing.resize)))
        except BadImageError as error:
            raise UserError(f"images={path}: {error}") from error
    return PreparedImages.from_crops(names, pixels, preprocessing, left_out.sentences(f"images={path}"))
