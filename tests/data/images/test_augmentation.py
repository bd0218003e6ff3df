import random

import numpy as np
import pytest
import torch

from convscope.data.images.augmentation import PRESETS, preset
from convscope.errors import UserError

PER_IMAGE = [name for name in PRESETS if name not in ("shift", "crop")]


@pytest.mark.parametrize("name", PER_IMAGE)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(20, 31), (20, 20), (60, 20)])
def test_any_image_becomes_square(name: str, channels: int, shape: tuple[int, int]) -> None:
    augment = PRESETS[name](20, "bilinear")
    image = torch.randint(0, 256, (*shape, channels), dtype=torch.uint8).permute(2, 0, 1)
    for seed in range(60):  # TrivialAugment picks another operation every time
        torch.manual_seed(seed)
        changed = augment(image)
        assert changed.shape == (channels, 20, 20)
        assert changed.dtype == torch.uint8


@pytest.mark.parametrize("name", PER_IMAGE)
def test_only_pytorchs_generator_determines_the_result(name: str) -> None:
    augment = PRESETS[name](16, "bilinear")
    image = torch.randint(0, 256, (3, 20, 24), dtype=torch.uint8)
    others = random.getstate(), np.random.get_state()[1].tolist()
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(torch.stack([augment(image) for _ in range(10)]))
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2]) == (name == "none")
    assert (random.getstate(), np.random.get_state()[1].tolist()) == others


def test_digits_are_not_flipped_and_stay_in_the_image() -> None:
    image = torch.zeros(1, 28, 28, dtype=torch.uint8)
    image[:, 8:20, 8:14] = 255  # heavier on its left
    uniforms = torch.rand(30, 4, generator=torch.Generator().manual_seed(0))
    for changed in PRESETS["shift"](28, "bilinear")(image.expand(30, 1, 28, 28), uniforms).float():
        assert changed.sum() == pytest.approx(image.float().sum(), rel=0.25)
        assert 7 <= (changed.sum((0, 1)) * torch.arange(28)).sum() / changed.sum() <= 14


def test_photos_are_flipped_half_of_the_time() -> None:
    image = torch.arange(0, 240, 10, dtype=torch.uint8).expand(3, 24, 24)
    augment = PRESETS["light"](24, "bilinear")
    torch.manual_seed(0)
    flipped = sum(int(changed[0, 0, 0] > changed[0, 0, -1]) for changed in (augment(image) for _ in range(200)))
    assert 70 < flipped < 130


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UserError, match="'heavy': choose of none, shift, crop, light, colour, strong"):
        preset("heavy")
