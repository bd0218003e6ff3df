import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2.functional import affine

from convscope.data.images.random_affine import RandomAffine

AUGMENT = RandomAffine(degrees=10, shift=0.1, scale=0.1)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_equals_torchvision_image_by_image(channels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (20, channels, 32, 32), dtype=torch.uint8, generator=generator)
    images = torch.nn.functional.avg_pool2d(images.float(), 5, 1, 2).to(torch.uint8)  # noise magnifies roundings
    uniforms = torch.rand(20, 4, generator=generator)
    moved = AUGMENT(images, uniforms)
    for image, result, (angle, right, down, scale) in zip(images, moved, (2 * uniforms - 1).tolist(), strict=True):
        # torchvision turns clockwise, and takes its shifts in pixels.
        expected = affine(
            image,
            angle=angle * 10,
            translate=[right * 3.2, down * 3.2],
            scale=1 + scale * 0.1,
            shear=[0.0, 0.0],
            interpolation=InterpolationMode.BILINEAR,
        )
        assert (result.int() - expected.int()).abs().max() <= 1


def test_numbers_in_the_middle_change_nothing() -> None:
    images = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8)
    assert torch.equal(AUGMENT(images, torch.full((3, 4), 0.5)), images)


def test_an_image_does_not_depend_on_its_batch() -> None:
    images = torch.randint(0, 256, (8, 3, 16, 16), dtype=torch.uint8)
    uniforms = torch.rand(8, 4)
    together = AUGMENT(images, uniforms)
    assert torch.equal(together[5:6], AUGMENT(images[5:6], uniforms[5:6]))
