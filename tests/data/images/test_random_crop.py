import pytest
import torch
from torchvision.transforms.v2.functional import crop, hflip, pad

from convscope.data.images.random_crop import RandomCrop

AUGMENT = RandomCrop(0.125)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_equals_torchvision_image_by_image(channels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (40, channels, 32, 32), dtype=torch.uint8, generator=generator)
    uniforms = torch.rand(40, 3, generator=generator)
    changed = AUGMENT(images, uniforms)
    assert changed.dtype == torch.uint8
    for image, result, (right, down, flip) in zip(images, changed, uniforms.tolist(), strict=True):
        expected = crop(pad(image, [4]), top=int(down * 9), left=int(right * 9), height=32, width=32)
        assert torch.equal(result, hflip(expected) if flip < 0.5 else expected)


def test_every_position_is_as_likely_and_half_are_flipped() -> None:
    image = torch.zeros(1, 1, 32, 32, dtype=torch.uint8)
    image[..., 16, 16] = 255
    count = 9000
    changed = AUGMENT(image.expand(count, -1, -1, -1), torch.rand(count, 3, generator=torch.Generator().manual_seed(0)))
    _, _, rows, columns = changed.nonzero(as_tuple=True)
    assert len(rows) == count  # never cropped away
    assert rows.bincount()[12:21].tolist() == pytest.approx([count / 9] * 9, rel=0.12)
    # columns 12 to 20 as they are, 11 to 19 flipped
    assert columns.bincount(minlength=21)[11:21].tolist() == pytest.approx(
        [count / 18, *[count / 9] * 8, count / 18], rel=0.17
    )


def test_an_image_does_not_depend_on_its_batch() -> None:
    images = torch.randint(0, 256, (8, 3, 16, 16), dtype=torch.uint8)
    uniforms = torch.rand(8, 3)
    together = AUGMENT(images, uniforms)
    assert torch.equal(together[5:6], AUGMENT(images[5:6], uniforms[5:6]))
