"""Augmentation presets: random changes of an image that keep its class, drawn anew every epoch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from convscope.data.images.random_affine import RandomAffine
from convscope.data.images.random_crop import RandomCrop
from convscope.errors import UserError

if TYPE_CHECKING:
    import torch

ImageAugmentation = Callable[["torch.Tensor"], "torch.Tensor"]

GREY = 128  # the value of the pixels that RandomErasing erases


@runtime_checkable
class BatchAugmentation(Protocol):
    """A function that augments a whole batch with given random numbers; it draws none itself.

    Attributes:
        draws: How many uniform random numbers of [0, 1) it needs for each image.
    """

    draws: int

    def __call__(self, images: "torch.Tensor", uniforms: "torch.Tensor") -> "torch.Tensor":
        """Augment ``images`` (N, C, H, W) uint8 with ``uniforms`` (N, ``draws``); return images of the same shape."""


@dataclass(frozen=True)
class Augmentation:
    """An augmentation, before it is made for a size of image.

    Attributes:
        key: Identifies what it does; the cache of features is found by it.
        make: Returns the augmentation for a side of the result in pixels and an interpolation ("nearest", "bilinear" or
            "bicubic"): a function of one image, which takes (C, H, W) uint8 of any size, with C 1 or 3, and returns
            (C, size, size) uint8, and draws from PyTorch's global generator (the caller seeds and restores that); or
            a `BatchAugmentation`.
    """

    key: str
    make: "Callable[[int, str], ImageAugmentation | BatchAugmentation]"

    @property
    def changes_nothing(self) -> bool:
        """Whether images are only cropped."""
        return self.key == "none"


def preset(name: str) -> Augmentation:
    """Return the augmentation ``name`` of ``PRESETS``.

    Raises:
        UserError: There is none.
    """
    if name not in PRESETS:
        raise UserError(f"unknown augmentation '{name}': choose of {', '.join(PRESETS)}")
    return Augmentation(name, PRESETS[name])


def shift(size: int, interpolation: str = "bilinear") -> BatchAugmentation:
    """Rotate the centre by up to 10°, shift and scale it by up to a tenth, with black borders. For digits."""
    return RandomAffine(degrees=10, shift=0.1, scale=0.1)


def crop(size: int, interpolation: str = "bilinear") -> BatchAugmentation:
    """Shift the centre by up to an eighth, with black borders, and flip it with probability 1/2. For CIFAR."""
    return RandomCrop(margin=1 / 8)


def none(size: int, interpolation: str = "bilinear") -> "ImageAugmentation":
    """Crop the centre."""
    from torchvision.transforms import v2

    return v2.CenterCrop(size)


def light(size: int, interpolation: str = "bilinear") -> "ImageAugmentation":
    """Crop at least half the area, and flip with probability 1/2. For photos."""
    return _photo_augmentation(size, interpolation, area=0.5)


def colour(size: int, interpolation: str = "bilinear") -> "ImageAugmentation":
    """Do as ``light``, and change brightness, contrast and saturation by up to 30 %, and the hue a little."""
    from torchvision.transforms import v2

    jitter = v2.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.02)
    return _photo_augmentation(size, interpolation, 0.5, jitter)


def strong(size: int, interpolation: str = "bilinear") -> "ImageAugmentation":
    """Crop at least a quarter of the area, flip, apply one of TrivialAugment's operations, and erase a part.

    The operation has a random strength (Müller and Hutter 2021, wide space); a quarter of the images lose a rectangle.
    """
    from torchvision.transforms import v2

    erasing = v2.RandomErasing(p=0.25, scale=(0.02, 0.2), value=GREY)
    return _photo_augmentation(size, interpolation, 0.25, v2.TrivialAugmentWide(), erasing)


def _photo_augmentation(size: int, interpolation: str, area: float, *further: Any) -> "ImageAugmentation":
    from torchvision.transforms import InterpolationMode, v2

    crop = v2.RandomResizedCrop(size, scale=(area, 1.0), interpolation=InterpolationMode(interpolation))
    return v2.Compose([crop, v2.RandomHorizontalFlip(), *further])


PRESETS: "dict[str, Callable[[int, str], ImageAugmentation | BatchAugmentation]]" = {
    "none": none,
    "shift": shift,
    "crop": crop,
    "light": light,
    "colour": colour,
    "strong": strong,
}
