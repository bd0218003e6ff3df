"""Augmentations of the user's own: repeatable, and at the size of the input."""

import random
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from convscope.data.images.own_augmentation import OwnAugmentation, own_augmentation
from convscope.errors import UserError

IMAGE = torch.randint(0, 256, (3, 12, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def noisy(image: torch.Tensor) -> torch.Tensor:
    """Draw from the generators of Python, NumPy and PyTorch."""
    shift = random.randint(0, 3) + int(np.random.randint(0, 3)) + int(torch.randint(0, 3, ()))
    return image.roll(shift, 2)


def test_the_same_random_numbers_give_the_same_image() -> None:
    augment = OwnAugmentation(noisy, 12)
    results = []
    for seed in (1, 1, 2, 3, 4, 5):
        torch.manual_seed(seed)
        random.seed()  # what went before does not matter
        np.random.seed()
        results.append(augment(IMAGE))
    assert torch.equal(results[0], results[1])
    assert any(not torch.equal(results[0], other) for other in results[2:])


def test_the_generators_of_python_and_numpy_are_left_as_they_were() -> None:
    before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[union-attr]
    OwnAugmentation(noisy, 12)(IMAGE)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # type: ignore[union-attr]


@pytest.mark.parametrize("size", [8, 12, 20])
def test_the_result_has_the_size_of_the_input(size: int) -> None:
    result = OwnAugmentation(v2.RandomHorizontalFlip(1.0), size)(IMAGE)
    assert (result.shape, result.dtype) == ((3, size, size), torch.uint8)
    assert torch.equal(result, v2.CenterCrop(size)(IMAGE.flip(2)))


def test_a_transform_of_albumentations_gets_and_returns_an_array() -> None:
    class Transform:
        """As albumentations' are called, whether it is installed or not."""

        seeds: ClassVar[list[int]] = []

        def set_random_seed(self, seed: int) -> None:
            self.seeds.append(seed)

        def __call__(self, *, image: np.ndarray) -> dict[str, Any]:
            assert image.shape == (12, 16, 3)
            assert image.dtype == np.uint8
            return {"image": image[::-1]}

    Transform.__module__ = "albumentations.core"
    augment = OwnAugmentation(Transform(), 12)
    assert torch.equal(augment(IMAGE), v2.CenterCrop(12)(IMAGE.flip(1)))
    assert len(Transform.seeds) == 1


def test_a_function_of_a_batch_is_one() -> None:
    class Batch:
        draws = 2

        def __call__(self, images: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
            return images

    function = Batch()
    assert own_augmentation(function, 12) is function


def to_floats(image: torch.Tensor) -> torch.Tensor:
    return image.float()


def to_grey(image: torch.Tensor) -> torch.Tensor:
    return image[:1]


def to_nothing(image: torch.Tensor) -> torch.Tensor:
    return image[:, :0]


def fails(image: torch.Tensor) -> torch.Tensor:
    raise ValueError("too dark")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (to_nothing, "to_nothing returned an empty image, (3, 0, 16) torch.uint8"),
        (to_floats, "to_floats must return an image (C, H, W) uint8 as a tensor, not (3, 12, 16) torch.float32"),
        (to_grey, "to_grey must keep the 3 channels of an image, and returned (1, 12, 16) torch.uint8"),
        (fails, "fails failed on an image: ValueError: too dark"),
    ],
)
def test_a_result_of_another_kind_is_refused(function: Any, message: str) -> None:
    with pytest.raises(UserError) as refused:
        OwnAugmentation(function, 12)(IMAGE)
    assert str(refused.value) == f"data.augmentation: {message}"
