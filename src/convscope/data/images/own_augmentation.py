"""Augmentations of the user's own: any function of an image, made repeatable and brought to the size of the input."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from convscope.data.images.augmentation import BatchAugmentation, ImageAugmentation
from convscope.errors import UserError, reason_of


class OwnAugmentation:
    """Applies a function of the user's own to an image, and crops the centre if the result has another size.

    The function takes an image (C, H, W) uint8, as a tensor, and returns a tensor of any height and width. A transform
    of albumentations gets ``image=`` (H, W, C) instead. The global generators of Python and NumPy are seeded for each
    image from PyTorch's, so that a training draws the same again; those of PyTorch are the caller's.

    Args:
        function: The user's function.
        size: Side of the result in pixels.
    """

    def __init__(self, function: Callable[..., Any], size: int) -> None:
        from torchvision.transforms import v2

        self._function = function
        self._centre = v2.CenterCrop(size)
        self._size = size
        self._name = getattr(function, "__name__", type(function).__name__)
        self._is_albumentations = type(function).__module__.partition(".")[0] == "albumentations"

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Return the augmented image, (C, size, size) uint8."""
        seed = int(torch.randint(2**31 - 1, ()))
        states = random.getstate(), np.random.get_state()
        random.seed(seed)
        np.random.seed(seed)
        try:
            result = self._apply_albumentations(image, seed) if self._is_albumentations else self._function(image)
        except Exception as error:
            raise UserError(f"data.augmentation: {self._name} failed on an image: {reason_of(error)}") from error
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
        return self._checked(result, image)

    def _apply_albumentations(self, image: torch.Tensor, seed: int) -> torch.Tensor:
        if hasattr(self._function, "set_random_seed"):  # it has a generator of its own
            self._function.set_random_seed(seed)
        pixels = self._function(image=np.ascontiguousarray(image.permute(1, 2, 0).numpy()))["image"]
        if isinstance(pixels, torch.Tensor):
            return pixels
        return torch.from_numpy(np.ascontiguousarray(np.atleast_3d(pixels))).permute(2, 0, 1)

    def _checked(self, result: Any, image: torch.Tensor) -> torch.Tensor:
        """Return ``result`` at the right size.

        Raises:
            UserError: It is no image of the same kind.
        """
        kind = f"{tuple(result.shape)} {result.dtype}" if isinstance(result, torch.Tensor) else type(result).__name__
        if not isinstance(result, torch.Tensor) or result.dtype != torch.uint8 or result.ndim != 3:
            raise UserError(
                f"data.augmentation: {self._name} must return an image (C, H, W) uint8 as a tensor, not {kind}"
            )
        if 0 in result.shape:
            raise UserError(f"data.augmentation: {self._name} returned an empty image, {kind}")
        if result.shape[0] != image.shape[0]:
            raise UserError(
                f"data.augmentation: {self._name} must keep the {image.shape[0]} channels of an image, and returned "
                f"{kind}"
            )
        if result.shape[1:] != (self._size, self._size):
            result = self._centre(result)
        return torch.Tensor(result) if type(result) is not torch.Tensor else result


def own_augmentation(function: Any, size: int) -> ImageAugmentation | BatchAugmentation:
    """Return ``function`` as an augmentation: of a batch if it has ``draws``, else of an image."""
    return function if isinstance(function, BatchAugmentation) else OwnAugmentation(function, size)
