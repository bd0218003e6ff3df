"""Checks uploads before they are used. Nothing is written to disk, and no file is opened by a name in a request."""

import io
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np
from anyio import to_thread
from PIL import Image
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from convscope.data.images.decoding import decode_image
from convscope.data.images.image_source import BadImageError

MAX_FILE_BYTES = 12_000_000  # of an image file
MAX_PIXELS = 40_000_000
MAX_CHARACTERS = 20_000  # of a text
MAX_BODY_BYTES = MAX_FILE_BYTES + 100_000  # including what multipart adds
MAX_DRAINED_BYTES = 400_000_000  # of a too large body, read and dropped so that the client gets to read the answer
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


class RefusedError(Exception):
    """A request that is refused, with an HTTP ``status`` (4xx) and a ``reason`` for the user."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class UploadedRequest:
    """A checked request about an image or a text.

    Attributes:
        image: (H, W, 3) uint8, or None.
        text: The text, or None.
        method: Name of the saliency method, or None for no map.
        target: Name of the class to explain, or None for the predicted class.
    """

    image: np.ndarray | None
    text: str | None
    method: str | None
    target: str | None


class _InMemoryParser(MultiPartParser):
    """Starlette's parser, without the temporary files to which it writes large parts."""

    spool_max_size = MAX_BODY_BYTES


async def read_request(request: Request) -> UploadedRequest:
    """Read and check a multipart request with one field ``image`` (a file) or ``text``.

    Raises:
        RefusedError: The request is too large or not multipart, does not have exactly one of image and text, or its
            image or text is refused.
    """
    form = await _parse_form(request.headers, await _read_body(request))
    try:
        image, text = form.get("image"), form.get("text")
        method, target = _field(form, "method"), _field(form, "target")
        if isinstance(image, UploadFile) and text is None:
            content, name = await image.read(), image.filename or "image"
            return UploadedRequest(await to_thread.run_sync(check_image, content, name), None, method, target)
        if isinstance(text, str) and image is None:
            if len(text) > MAX_CHARACTERS:
                raise RefusedError(413, f"The text has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read.")
            if not text.strip():
                raise RefusedError(422, "The text is empty.")
            return UploadedRequest(None, text, method, target)
    finally:
        await form.close()
    raise RefusedError(400, "Send either a file as `image` or a text as `text`.")


def check_image(content: bytes, name: str) -> np.ndarray:
    """Decode the ``content`` of an image file to pixels, (H, W, 3) uint8; ``name`` is the file name of the request.

    Raises:
        RefusedError: The name is a path, or the file has too many bytes or pixels, an unknown format, or is damaged.
    """
    if any(mark in name for mark in ("/", "\\", "\0")) or name in {".", ".."}:
        raise RefusedError(400, "The file's name is a path; send its name alone.")
    if len(content) > MAX_FILE_BYTES:
        raise RefusedError(413, f"The file has {len(content):,} bytes; at most {MAX_FILE_BYTES:,} are read.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MAX_PIXELS is lower than its limit
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                width, height = image.size  # from the header: no pixel is decoded yet
    except Image.DecompressionBombError:
        raise RefusedError(413, f"The image has more than {MAX_PIXELS:,} pixels.") from None
    except Exception:  # Pillow's plug-ins raise all kinds of errors for other formats
        raise RefusedError(415, f"The file is not an image of a known kind ({', '.join(FORMATS)}).") from None
    if width * height > MAX_PIXELS:
        raise RefusedError(413, f"The image has {width} × {height} pixels; at most {MAX_PIXELS:,} are read.")
    try:
        return decode_image(content, "the file")
    except BadImageError as error:
        raise RefusedError(422, f"The image cannot be read: {error}") from error


async def _read_body(request: Request) -> bytes:
    chunks: list[bytes] = []
    length = 0
    async for chunk in request.stream():
        length += len(chunk)
        if length <= MAX_BODY_BYTES:
            chunks.append(chunk)
        else:
            chunks.clear()
            if length > MAX_DRAINED_BYTES:
                break
    if length > MAX_BODY_BYTES:
        raise RefusedError(413, f"The request is larger than {MAX_BODY_BYTES:,} bytes.")
    return b"".join(chunks)


async def _parse_form(headers: Headers, body: bytes) -> FormData:
    if not headers.get("content-type", "").startswith("multipart/form-data"):
        raise RefusedError(415, "Send a form (multipart/form-data).")

    async def stream() -> AsyncIterator[bytes]:
        yield body

    try:
        return await _InMemoryParser(
            headers,
            stream(),  # type: ignore[arg-type]
            max_files=1,
            max_fields=4,
            max_part_size=4 * MAX_CHARACTERS,
        ).parse()
    except MultiPartException as error:
        status = 413 if "maximum" in error.message else 400
        raise RefusedError(status, error.message) from error
    except (ValueError, KeyError, LookupError) as error:
        raise RefusedError(400, "The form cannot be read.") from error


def _field(form: FormData, name: str) -> str | None:
    value = form.get(name)
    return value if isinstance(value, str) and value else None
