"""What a visitor sends, checked before anything is done with it. Nothing is written to a disk, nor named by a path."""

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

MOST_BYTES = 12_000_000  # of an image file
MOST_PIXELS = 40_000_000
MOST_CHARACTERS = 20_000  # of a text
MOST_BODY = MOST_BYTES + 100_000  # with what multipart adds
DRAINED = 400_000_000  # of a body that is too large: read and dropped, so that the sender gets to read the answer
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


class RefusedError(Exception):
    """A request that is answered with ``status`` (4xx) and a sentence."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class UploadedRequest:
    """A checked request: an image, (H, W, 3) uint8, or a text; and what is asked about it."""

    image: np.ndarray | None
    text: str | None
    method: str | None
    target: str | None


class _InMemory(MultiPartParser):
    """Starlette's, without the temporary file that it writes larger parts to."""

    spool_max_size = MOST_BODY


async def read_request(request: Request) -> UploadedRequest:
    """Read and check a multipart request with one field ``image`` (a file) or ``text``.

    Raises:
        RefusedError: It is too large, not multipart, or what it holds is no image.
    """
    form = await _form(request.headers, await _body(request))
    try:
        image, text = form.get("image"), form.get("text")
        method, target = _word(form, "method"), _word(form, "target")
        if isinstance(image, UploadFile) and text is None:
            content, name = await image.read(), image.filename or "image"
            return UploadedRequest(await to_thread.run_sync(check_image, content, name), None, method, target)
        if isinstance(text, str) and image is None:
            if len(text) > MOST_CHARACTERS:
                raise RefusedError(413, f"The text has {len(text):,} characters; at most {MOST_CHARACTERS:,} are read.")
            if not text.strip():
                raise RefusedError(422, "The text is empty.")
            return UploadedRequest(None, text, method, target)
    finally:
        await form.close()
    raise RefusedError(400, "Send either a file as `image` or a text as `text`.")


def check_image(content: bytes, name: str) -> np.ndarray:
    """The pixels, (H, W, 3) uint8, of a file's content. ``name`` is what the sender calls it.

    Raises:
        RefusedError: It has a path for a name, too many bytes or pixels, an unknown format, or is damaged.
    """
    if any(mark in name for mark in ("/", "\\", "\0")) or name in {".", ".."}:
        raise RefusedError(400, "The file's name is a path; send its name alone.")
    if len(content) > MOST_BYTES:
        raise RefusedError(413, f"The file has {len(content):,} bytes; at most {MOST_BYTES:,} are read.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is the lower one
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                width, height = image.size  # from the header: no pixel is decoded yet
    except Image.DecompressionBombError:
        raise RefusedError(413, f"The image has more than {MOST_PIXELS:,} pixels.") from None
    except Exception:  # Pillow's plug-ins raise nearly anything on what is not theirs
        raise RefusedError(415, f"The file is not an image of a known kind ({', '.join(FORMATS)}).") from None
    if width * height > MOST_PIXELS:
        raise RefusedError(413, f"The image has {width} × {height} pixels; at most {MOST_PIXELS:,} are read.")
    try:
        return decode_image(content, "the file")
    except BadImageError as error:
        raise RefusedError(422, f"The image cannot be read: {error}") from error


async def _body(request: Request) -> bytes:
    parts: list[bytes] = []
    length = 0
    async for part in request.stream():
        length += len(part)
        if length <= MOST_BODY:
            parts.append(part)
        else:
            parts.clear()
            if length > DRAINED:
                break
    if length > MOST_BODY:
        raise RefusedError(413, f"The request is larger than {MOST_BODY:,} bytes.")
    return b"".join(parts)


async def _form(headers: Headers, body: bytes) -> FormData:
    if not headers.get("content-type", "").startswith("multipart/form-data"):
        raise RefusedError(415, "Send a form (multipart/form-data).")

    async def stream() -> AsyncIterator[bytes]:
        yield body

    try:
        return await _InMemory(headers, stream(), max_files=1, max_fields=4, max_part_size=4 * MOST_CHARACTERS).parse()  # type: ignore[arg-type]
    except MultiPartException as error:
        status = 413 if "maximum" in error.message else 400
        raise RefusedError(status, error.message) from error
    except (ValueError, KeyError, LookupError) as error:
        raise RefusedError(400, "The form cannot be read.") from error


def _word(form: FormData, name: str) -> str | None:
    value = form.get(name)
    return value if isinstance(value, str) and value else None
