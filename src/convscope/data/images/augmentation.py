"""Augmentation presets: random changes of an image that keep its class, drawn anew every epoch."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol, get_args, runtime_checkable

from convscope.data.images.random_affine import RandomAffine
from convscope.data.images.random_crop import RandomCrop
from convscope.errors import UserError

if TYPE_CHECKING:
    import torch

    ImageAugmentation = Callable[[torch.Tensor], torch.Tensor]

AugmentationPreset = Literal["none", "light", "colour", "strong", "shift", "crop"]
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


def augmentation(
    preset: AugmentationPreset, size: int, interpolation: str = "bilinear"
) -> "ImageAugmentation | BatchAugmentation":
    """Return the augmentation of a preset: a function of one image, or of a batch for ``shift`` and ``crop``.

    A function of one image takes (C, H, W) uint8 of any size, with C 1 or 3, and returns (C, ``size``, ``size``) uint8.
    It draws from PyTorch's global generator: the caller seeds and restores that. A function of a batch is a
    `BatchAugmentation`.

    The presets:

    - ``none``: The centre crop.
    - ``light``: A random crop of at least half the area, flipped horizontally with probability 1/2. For photos.
    - ``colour``: As ``light``, with brightness, contrast and saturation changed by up to 30 %, and the hue a little.
    - ``strong``: A random crop of at least a quarter of the area, flipped horizontally with probability 1/2, one of
      TrivialAugment's operations (Müller and Hutter 2021, wide space) at a random strength, and a rectangle erased in
      a quarter of the images.
    - ``shift``: The centre rotated by up to 10°, shifted by up to a tenth and scaled by up to a tenth, not flipped,
      with black borders. For digits and the like.
    - ``crop``: The centre shifted by up to an eighth, with black borders, and flipped horizontally with probability
      1/2. For CIFAR and the like.

    Args:
        preset: One of the above.
        size: Side of the result, in pixels.
        interpolation: "nearest", "bilinear" or "bicubic".

    Raises:
        UserError: ``preset`` is none of these.
    """
    if preset == "shift":
        return RandomAffine(degrees=10, shift=0.1, scale=0.1)
    if preset == "crop":
        return RandomCrop(margin=1 / 8)
    from torchvision.transforms import InterpolationMode, v2

    mode = InterpolationMode(interpolation)
    if preset == "none":
        return v2.CenterCrop(size)
    light = [v2.RandomResizedCrop(size, scale=(0.5, 1.0), interpolation=mode), v2.RandomHorizontalFlip()]
    if preset == "light":
        return v2.Compose(light)
    if preset == "colour":
        return v2.Compose([*light, v2.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.02)])
    if preset == "strong":
        return v2.Compose(
            [
                v2.RandomResizedCrop(size, scale=(0.25, 1.0), interpolation=mode),
                v2.RandomHorizontalFlip(),
                v2.TrivialAugmentWide(),
                v2.RandomErasing(p=0.25, scale=(0.02, 0.2), value=GREY),
            ]
        )
    raise UserError(f"unknown augmentation '{preset}': choose of {', '.join(get_args(AugmentationPreset))}")
