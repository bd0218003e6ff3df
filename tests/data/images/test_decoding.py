import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from convscope.data.images.decoding import decode_image
from convscope.data.images.image_source import BadImageError

RAMP = np.stack(np.broadcast_arrays(np.arange(0, 240, 10)[:, None], np.arange(0, 160, 10), 77), -1).astype(np.uint8)


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_lossless_formats_keep_every_pixel(form: str) -> None:
    data = encoded(Image.fromarray(RAMP), form, **({"lossless": True} if form == "WEBP" else {}))
    assert np.array_equal(decode_image(data, "ramp"), RAMP)


def test_a_cmyk_jpeg_keeps_its_colours() -> None:
    decoded = decode_image(encoded(Image.new("RGB", (16, 16), (250, 20, 20)).convert("CMYK"), "JPEG"), "red")
    assert decoded.shape == (16, 16, 3)
    assert np.abs(decoded.astype(int) - (250, 20, 20)).max() < 8


def test_transparent_pixels_are_blended_with_white() -> None:
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.putpixel((0, 0), 1)
    decoded = decode_image(encoded(palette, transparency=0), "palette")
    assert decoded[0, 0].tolist() == [255, 0, 0]
    assert (decoded[1:] == 255).all()
    half = Image.new("RGBA", (2, 2), (0, 0, 0, 128))
    assert abs(int(decode_image(encoded(half), "half")[0, 0, 0]) - 127) <= 1
    grey = Image.new("LA", (2, 2), (60, 0))
    assert (decode_image(encoded(grey), "grey") == 255).all()


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    wide = np.array([[0, 257 * 100], [257 * 200, 65535]], dtype=np.uint16)
    decoded = decode_image(encoded(Image.fromarray(wide)), "wide")
    assert decoded[..., 0].tolist() == [[0, 100], [200, 255]]
    assert (decoded == decoded[..., :1]).all()


def test_the_transparent_value_of_sixteen_bit_grey_is_white() -> None:
    wide = Image.fromarray(np.array([[0, 257], [257 * 200, 65535]], dtype=np.uint16))
    assert decode_image(encoded(wide, transparency=257), "wide")[..., 1].tolist() == [[0, 255], [200, 255]]


@pytest.mark.parametrize("orientation", [None, 6])
@pytest.mark.parametrize("largest", [255, 65535, 2**31 - 1])
def test_integers_of_32_bits_are_refused(largest: int, orientation: int | None) -> None:
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    image = Image.fromarray(np.array([[0, largest]], dtype=np.int32))
    with pytest.raises(
        BadImageError, match=r"^deep: pixels of 32-bit integers are not supported: save .* 8 or 16 bits$"
    ):
        decode_image(encoded(image, "TIFF", exif=exif), "deep")
    sixteen = Image.fromarray(np.array([[257, 65535]], dtype=np.uint16))
    assert decode_image(encoded(sixteen, "TIFF"), "wide")[0, :, 0].tolist() == [1, 255]


def test_the_cases_that_once_failed(cases: Path) -> None:
    for name in ("int32_full.tif", "int32_range255.tif", "float32_255.tif", "truncated.jpg", "badcrc.png"):
        with pytest.raises(BadImageError, match=f"^{name}: "):
            decode_image(cases / "images" / name, name)
    for name in ("exif6.jpg", "cmyk.jpg", "palette_bytes_transparency.png", "la16.png"):
        assert decode_image(cases / "images" / name, name).max() == 255
    file = cases / "images" / "grey16_trns.png"
    with Image.open(file) as image:
        transparent = np.asarray(image) == image.info["transparency"]
    assert transparent.any()
    assert (decode_image(file, "grey")[transparent] == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(RAMP), exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert np.array_equal(decode_image(data, "turned"), np.asarray(upright))
    if orientation == 6:  # the camera was turned by 90° to the right
        assert np.array_equal(decode_image(data, "turned"), np.rot90(RAMP, -1))


def test_a_large_jpeg_may_be_decoded_smaller_but_not_below_the_minimum_size() -> None:
    data = encoded(Image.fromarray(np.tile(RAMP, (40, 40, 1))), "JPEG")
    assert decode_image(data, "large").shape == (960, 640, 3)
    assert decode_image(data, "large", min_size=100).shape == (240, 160, 3)  # a quarter
    assert decode_image(data, "large", min_size=1000).shape == (960, 640, 3)


def test_a_gray_jpeg_and_the_first_frame_of_an_animation_are_rgb() -> None:
    assert decode_image(encoded(Image.new("L", (5, 4), 9), "JPEG"), "grey").shape == (4, 5, 3)
    red, blue = (Image.new("RGB", (4, 4), colour) for colour in ("red", "blue"))
    assert decode_image(encoded(red, "GIF", save_all=True, append_images=[blue]), "gif")[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not an image, or of an unknown format"),
        (b"<html>404</html>", "not an image, or of an unknown format"),
        (encoded(Image.fromarray(np.tile(RAMP, (20, 20, 1))), "JPEG")[:4000], "image file is truncated"),
        (encoded(Image.fromarray(RAMP.repeat(8, 0)))[:120], "truncated"),
        (encoded(Image.new("F", (3, 3), 0.5), "TIFF"), "32-bit floats are not supported"),
    ],
)
def test_what_cannot_be_decoded_is_a_bad_image(data: bytes, reason: str) -> None:
    with pytest.raises(BadImageError, match=f"some name: .*{reason}"):
        decode_image(data, "some name")


def test_a_file_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(BadImageError, match=r"^a/b\.jpg: No such file or directory$"):
        decode_image(tmp_path / "b.jpg", "a/b.jpg")


def test_decompression_bombs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    data = encoded(Image.fromarray(RAMP))
    with (
        pytest.warns(Image.DecompressionBombWarning),
        pytest.raises(BadImageError, match=r"16 × 24 pixels, more than .* 300"),
    ):
        decode_image(data, "bomb")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(BadImageError, match="exceeds limit"):
        decode_image(data, "bomb")
