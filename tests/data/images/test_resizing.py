import numpy as np
import pytest
import torch
from drawn_images import image
from PIL import Image
from torchvision.transforms import v2

from convscope.data.images.resizing import Resizing, centre
from convscope.errors import UserError

SHAPES = [(40, 57), (57, 40), (33, 33), (20, 47), (61, 60)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_as_torchvision_resizes_and_crops(shape: tuple[int, int], interpolation: str) -> None:
    pixels = image(0, *shape)
    mode = v2.InterpolationMode(interpolation)
    expected = v2.Compose([v2.Resize(30, mode), v2.CenterCrop(24)])(Image.fromarray(pixels))
    assert np.array_equal(Resizing(30, 3, interpolation, 24)(pixels), np.asarray(expected))
    whole = v2.Resize(30, mode)(Image.fromarray(pixels))
    assert np.array_equal(Resizing(30, 3, interpolation)(pixels), np.asarray(whole))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_centre_is_that_of_torchvision(shape: tuple[int, int]) -> None:
    pixels = image(0, *shape)
    for size in (7, 12, 20):
        expected = v2.CenterCrop(size)(torch.from_numpy(pixels).permute(2, 0, 1)).permute(1, 2, 0)
        assert np.array_equal(centre(pixels, size), expected)


def test_channels_are_converted() -> None:
    colour, grey = image(0), image(1)[..., :1]
    luma = np.asarray(Image.fromarray(colour).convert("L"))[..., None]
    assert np.array_equal(Resizing(12, 1)(colour), luma)
    assert np.array_equal(Resizing(12, 3)(grey), np.repeat(grey, 3, -1))
    assert np.array_equal(Resizing(12, 1)(grey), grey)


@pytest.mark.parametrize(("shape", "kept"), [((10, 5000), (8, 24)), ((900, 3), (24, 8)), ((8, 24), (8, 24))])
def test_beyond_three_to_one_the_ends_are_cut_off(shape: tuple[int, int], kept: tuple[int, int]) -> None:
    assert Resizing(8, 3)(image(0, *shape)).shape == (*kept, 3)
    assert Resizing(8, 3, crop=8)(image(0, *shape)).shape == (8, 8, 3)


def test_shapes_that_stay_unchanged() -> None:
    assert Resizing(8, 1).keeps((8, 8, 1))
    assert Resizing(8, 1, crop=8).keeps((8, 8, 1))
    assert Resizing(8, 1).keeps((8, 9, 1))
    assert not Resizing(8, 1, crop=8).keeps((8, 9, 1))
    assert not Resizing(8, 3).keeps((8, 8, 1))
    assert not Resizing(9, 1).keeps((8, 8, 1))


def test_an_unknown_interpolation_is_refused() -> None:
    with pytest.raises(UserError, match="unknown interpolation 'cubic': choose of nearest, bilinear, bicubic"):
        Resizing(8, 3, "cubic")


def test_nearly_as_large_images_get_a_black_margin() -> None:
    small = image(5, 28, 26)[..., :1]
    padded = Resizing(32, 1, pad_from=26)(small)
    assert np.array_equal(padded[2:30, 3:29], small)
    assert padded.sum() == small.sum()


@pytest.mark.parametrize("shape", [(25, 26), (26, 33)])
def test_smaller_or_larger_images_are_resized_nevertheless(shape: tuple[int, int]) -> None:
    pixels = image(6, *shape)[..., :1]
    assert np.array_equal(Resizing(32, 1, pad_from=26)(pixels), Resizing(32, 1)(pixels))
