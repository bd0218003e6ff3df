"""Decodes image files to RGB pixels, whatever their colour mode, orientation or size."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from convscope.data.images.image_formats import readable_formats
from convscope.data.images.image_source import BadImageError

DECODER_VERSION = 2  # part of every cache key: increase it when the decoded pixels of a file change
SIXTEEN_BITS = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N"})
BITS_PER_SAMPLE = 258  # TIFF 6.0, section 8
ORIENTATION = 0x0112  # the tag for how the camera was held: EXIF 2.3, section 4.6.4
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_image(file: Path | bytes, name: str, min_size: int | None = None) -> np.ndarray:
    """Decode an image file (its path, or its bytes) to (H, W, 3) uint8.

    The EXIF orientation is applied, transparent pixels are blended with white, 16-bit grey is scaled to 8 bits, and
    the first frame of an animation is taken.

    Args:
        file: The path of the file, or its bytes.
        name: What errors call the image.
        min_size: If given, a JPEG is decoded at a half, a quarter or an eighth of its size, as long as both sides keep
            at least so many pixels.

    Raises:
        BadImageError: The image cannot be decoded: the file is truncated or not an image, or has more pixels than
            Pillow's ``Image.MAX_IMAGE_PIXELS``, as a decompression bomb has.
    """
    try:
        with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file, formats=readable_formats()) as image:
            limit = Image.MAX_IMAGE_PIXELS
            if limit is not None and image.width * image.height > limit:
                raise BadImageError(name, f"{image.width} × {image.height} pixels, more than the limit of {limit}")
            if min_size is not None:
                _draft(image, min_size)
            image.load()
            return np.asarray(_to_rgb(_upright(image)))
    except (BadImageError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise BadImageError(name, "not an image, or of an unknown format") from error
    except OSError as error:
        raise BadImageError(name, error.strerror or str(error)) from error
    except Exception as error:  # for a damaged file, Pillow's plug-ins raise nearly any exception
        raise BadImageError(name, str(error) or type(error).__name__) from error


def pillow_to_pixels(image: Image.Image) -> np.ndarray:
    """Return an image of Pillow as (H, W, C) uint8, with 1 channel if it is grey and opaque, else 3.

    Raises:
        ValueError: Its pixels have 32 bits.
    """
    if image.mode in ("1", "L") and not image.has_transparency_data:
        return np.asarray(image.convert("L"))[..., None]
    return np.asarray(_to_rgb(_upright(image)))


def _draft(image: Image.Image, min_size: int) -> None:
    scale = min_size / min(image.size)
    if scale < 1:
        image.draft(None, (round(image.width * scale), round(image.height * scale)))


def _upright(image: Image.Image) -> Image.Image:
    try:
        method = UPRIGHT.get(image.getexif().get(ORIENTATION, 1))
    except Exception:  # an image with a damaged EXIF block is still used
        method = None
    return image if method is None else image.transpose(method)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in SIXTEEN_BITS:
        return Image.fromarray(_sixteen_to_eight_bits(image)).convert("RGB")
    if image.mode == "F":
        raise ValueError("pixels of 32-bit floats are not supported: save the image with 8 or 16 bits")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _sixteen_to_eight_bits(image: Image.Image) -> np.ndarray:
    """Return an image of 16-bit grey as (H, W) uint8, with its transparent value as white.

    Raises:
        ValueError: The pixels have 32 bits: their range is not known.
    """
    tags = getattr(image, "tag_v2", {})
    if image.mode == "I" and 32 in tags.get(BITS_PER_SAMPLE, ()):
        raise ValueError("pixels of 32-bit integers are not supported: save the image with 8 or 16 bits")
    pixels = np.asarray(image).astype(np.int64)
    grey = ((np.clip(pixels, 0, 65535) + 128) // 257).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[pixels == transparent] = 255
    return grey
