"""Random changes that an image may undergo without becoming another class, drawn anew at every epoch."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol, get_args, runtime_checkable

from convscope.data.images.random_affine import RandomAffine
from convscope.data.images.random_crop import RandomCrop
from convscope.errors import UserError

if TYPE_CHECKING:
    import torch

    ImageAugmentation = Callable[[torch.Tensor], torch.Tensor]

Preset = Literal["none", "light", "colour", "strong", "shift", "crop"]
GREY = 128  # what an image is erased with


@runtime_checkable
class BatchAugmentation(Protocol):
    """A function of a batch and of uniform numbers of [0, 1), ``draws`` for each image; it draws nothing itself."""

    draws: int

    def __call__(self, images: "torch.Tensor", uniforms: "torch.Tensor") -> "torch.Tensor":
        """Images (N, C, H, W) uint8, with ``uniforms`` (N, ``draws``), to images of the same shape."""


def augmentation(preset: Preset, size: int, interpolation: str = "bilinear") -> "ImageAugmentation | BatchAugmentation":
    """A function of one image, (C, H, W) uint8 of any size with C 1 or 3, to (C, ``size``, ``size``) uint8.

    - ``none``: the centre.
    - ``light``: a part of half the area or more, and mirrored half of the time: photos.
    - ``colour``: as light, with brightness, contrast and saturation changed by up to 30 %, and the hue a little.
    - ``strong``: a part of a quarter or more, mirrored, one of TrivialAugment's operations (Müller and
      Hutter 2021, wide space) at a random strength, and a rectangle erased in a quarter of the images.
    - ``shift``: the centre turned by up to 10°, shifted by up to a tenth, scaled by up to a tenth, not
      mirrored, with black around it: digits and the like.
    - ``crop``: the centre shifted by up to an eighth, with black around it, and mirrored half of the time: CIFAR
      and the like.

    The last two are functions of a whole batch. The others draw from PyTorch's global generator: the caller seeds that
    and puts it back. Raises ``UserError`` for any other ``preset``.
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
    raise UserError(f"unknown augmentation '{preset}': choose of {', '.join(get_args(Preset))}")
