import pytest
import torch
from torchvision.transforms import v2

from convscope.data.images.normalisation import Normalisation
from convscope.preprocessing import Preprocessing

COLOUR = Preprocessing(8, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
GREY = Preprocessing(8, 1, (0.13,), (0.31,))


@pytest.mark.parametrize("preprocessing", [COLOUR, GREY])
@pytest.mark.parametrize("stored_last", [True, False])
@pytest.mark.parametrize("channels_last", [True, False])
def test_equals_torchvision(preprocessing: Preprocessing, stored_last: bool, channels_last: bool) -> None:
    images = torch.randint(0, 256, (5, preprocessing.channels, 9, 7), dtype=torch.uint8)
    if stored_last:
        images = images.contiguous(memory_format=torch.channels_last)
    before = images.clone()
    reference = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(preprocessing.mean, preprocessing.std)])
    normalised = Normalisation(preprocessing)(images, channels_last=channels_last)
    torch.testing.assert_close(normalised, reference(images), rtol=1e-5, atol=1e-6)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert normalised.is_contiguous(memory_format=layout)
    assert normalised.dtype == torch.float32
    assert torch.equal(images, before)
    as_on_a_gpu = Normalisation(preprocessing)._in_one_kernel(images, layout)
    torch.testing.assert_close(as_on_a_gpu, normalised)
    assert as_on_a_gpu.is_contiguous(memory_format=layout)


def test_another_type_and_other_widths() -> None:
    normalise = Normalisation(COLOUR)
    for width in (5, 6):
        images = torch.randint(0, 256, (2, 3, 4, width), dtype=torch.uint8)
        half = normalise(images, channels_last=True, dtype=torch.bfloat16)
        assert half.dtype == torch.bfloat16
        torch.testing.assert_close(half, normalise(images).to(torch.bfloat16))
