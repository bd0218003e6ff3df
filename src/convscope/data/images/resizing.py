"""The preprocessing that is the same in every epoch: conversion of channels, resizing and centre crop."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from convscope.errors import UserError
from convscope.preprocessing import Preprocessing

INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
MAX_ASPECT = 3  # longer side by shorter side; the ends of longer images are cut off


@dataclass(frozen=True)
class Resizing:
    """Resizes images so that their shorter side has ``resize`` pixels, antialiased, and converts their channels.

    The aspect ratio is kept, except that the ends of images of more than 3:1 are cut off. Sizes and offsets are rounded
    as in torchvision.

    Attributes:
        resize: The shorter side of the result, in pixels.
        channels: Number of channels of the result, 1 or 3.
        interpolation: One of `INTERPOLATIONS`.
        crop: Side of the centre crop in pixels; None not to crop.
        pad_from: An image whose sides are between ``pad_from`` and ``resize`` is not resized, but padded to a square of
            ``resize`` pixels with black. None to resize all images.
    """

    resize: int
    channels: int
    interpolation: str = "bilinear"
    crop: int | None = None
    pad_from: int | None = None

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            raise UserError(f"unknown interpolation '{self.interpolation}': choose of {', '.join(INTERPOLATIONS)}")

    @classmethod
    def expected_by(cls, preprocessing: Preprocessing, crop: int | None) -> "Resizing":
        """Return the resizing that a network expects, with a centre crop of ``crop`` pixels, or none."""
        return cls(
            preprocessing.resize,
            preprocessing.channels,
            preprocessing.interpolation,
            crop,
            preprocessing.pad_from,
        )

    def keeps(self, shape: tuple[int, int, int]) -> bool:
        """Return whether images of this ``shape`` (H, W, C) stay unchanged; its aspect ratio must be at most 3:1."""
        height, width, channels = shape
        square = self.crop is None or height == width == self.crop
        return channels == self.channels and min(height, width) == self.resize and square

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Resize the image ``pixels`` (H, W, C) uint8; return it as (H', W', ``channels``) uint8."""
        pixels = _crop_to_max_aspect(pixels)
        image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        image = image.convert("L" if self.channels == 1 else "RGB")
        short = min(image.size)
        if self.pad_from is not None and self.pad_from <= short and max(image.size) <= self.resize:
            image = _padded(image, self.resize)
        elif short != self.resize:
            size = tuple(self.resize if side == short else int(self.resize * side / short) for side in image.size)
            image = image.resize((size[0], size[1]), INTERPOLATIONS[self.interpolation])
        resized = np.asarray(image).reshape(image.height, image.width, self.channels)
        return resized if self.crop is None else centre(resized, self.crop)


def centre(pixels: np.ndarray, size: int) -> np.ndarray:
    """Return the centre crop (..., size, size, C) of ``pixels`` (..., H, W, C)."""
    top, left = centre_offset(pixels.shape[-3], size), centre_offset(pixels.shape[-2], size)
    return pixels[..., top : top + size, left : left + size, :]


def centre_offset(length: int, size: int) -> int:
    """Return the offset at which the centre crop of ``size`` pixels begins in a side of ``length`` pixels."""
    return round((length - size) / 2.0)


def _padded(image: Image.Image, size: int) -> Image.Image:
    """Return ``image`` in the centre of a black square of ``size`` pixels."""
    square = Image.new(image.mode, (size, size))
    square.paste(image, (centre_offset(size, image.width), centre_offset(size, image.height)))
    return square


def _crop_to_max_aspect(pixels: np.ndarray) -> np.ndarray:
    """Return ``pixels`` (H, W, C) with the ends cut off beyond `MAX_ASPECT`."""
    height, width = pixels.shape[:2]
    longest = MAX_ASPECT * min(height, width)
    top, left = centre_offset(max(height, longest), longest), centre_offset(max(width, longest), longest)
    return pixels[top : top + longest, left : left + longest]
