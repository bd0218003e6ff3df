"""The part of preprocessing that is the same in every epoch: channels, size and centre."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from convscope.errors import UserError

INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
LONGEST = 3  # times the shorter side; what lies beyond, left and right of the centre, is cut off


@dataclass(frozen=True)
class Resizing:
    """Bring an image to ``channels`` channels and its shorter side to ``resize`` pixels, antialiased.

    The aspect is kept, but for images of more than 3:1, whose ends are cut off. With ``crop`` the centre
    is cut out as a square of so many pixels. Sizes and offsets are rounded as torchvision rounds them.
    An image whose sides are between ``pad_from`` and ``resize`` keeps its pixels, in the middle of a black square.
    """

    resize: int
    channels: int
    interpolation: str = "bilinear"
    crop: int | None = None
    pad_from: int | None = None

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            raise UserError(f"unknown interpolation '{self.interpolation}': choose of {', '.join(INTERPOLATIONS)}")

    def keeps(self, shape: tuple[int, int, int]) -> bool:
        """Whether images of this (H, W, C) stay as they are."""
        height, width, channels = shape
        square = self.crop is None or height == width == self.crop
        return channels == self.channels and min(height, width) == self.resize and square

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """(H, W, C) uint8 in, (H', W', ``channels``) uint8 out."""
        pixels = _within_aspect(pixels)
        image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        image = image.convert("L" if self.channels == 1 else "RGB")
        short = min(image.size)
        if self.pad_from is not None and self.pad_from <= short and max(image.size) <= self.resize:
            image = _margined(image, self.resize)
        elif short != self.resize:
            size = tuple(self.resize if side == short else int(self.resize * side / short) for side in image.size)
            image = image.resize((size[0], size[1]), INTERPOLATIONS[self.interpolation])
        resized = np.asarray(image).reshape(image.height, image.width, self.channels)
        return resized if self.crop is None else centre(resized, self.crop)


def centre(pixels: np.ndarray, size: int) -> np.ndarray:
    """The middle (..., size, size, C) of (..., H, W, C)."""
    top, left = centre_offset(pixels.shape[-3], size), centre_offset(pixels.shape[-2], size)
    return pixels[..., top : top + size, left : left + size, :]


def centre_offset(length: int, size: int) -> int:
    """Where the middle ``size`` of ``length`` begins."""
    return round((length - size) / 2.0)


def _margined(image: Image.Image, size: int) -> Image.Image:
    square = Image.new(image.mode, (size, size))
    square.paste(image, (centre_offset(size, image.width), centre_offset(size, image.height)))
    return square


def _within_aspect(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    longest = LONGEST * min(height, width)
    top, left = centre_offset(max(height, longest), longest), centre_offset(max(width, longest), longest)
    return pixels[top : top + longest, left : left + longest]
