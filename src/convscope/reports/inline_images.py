"""Images as data URLs inside a page, within a budget of bytes for all of them."""

import base64
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BUDGET = 1_500_000  # bytes of all images together; base64 takes a third more
MAX_IMAGES = 60
MAX_WIDTH = 1400  # pixels, if the files do not fit as they are
COLUMN_WIDTH = 520  # pixels
ROUNDS = 3  # attempts, each narrower in proportion to the excess of the one before


@dataclass(frozen=True)
class InlineImage:
    """An image as a data URL, with its size, for which the page reserves room.

    Attributes:
        name: Name of the figure, relative to ``media/``, without suffix.
        address: Data URL.
        width: Width in pixels.
        height: Height in pixels.
    """

    name: str
    address: str
    width: int
    height: int

    @property
    def title(self) -> str:
        """The name in readable form."""
        return self.name.replace("_", " ").replace("/", " · ")

    @property
    def short(self) -> str:
        """The last part of the name in readable form."""
        return self.name.rpartition("/")[2].replace("_", " ")

    @property
    def broad(self) -> bool:
        """Whether the image is wider than a column of the page."""
        return self.width > COLUMN_WIDTH


def inline_images(paths: Mapping[str, Path]) -> tuple[list[InlineImage], int]:
    """Return PNG files as data URLs, in the order given, and how many were left out.

    The files are taken as they are if they fit together into ``BUDGET``, else as WebP, made narrower if necessary. At
    most ``MAX_IMAGES`` are taken.
    """
    taken = dict(list(paths.items())[:MAX_IMAGES])
    if sum(path.stat().st_size for path in taken.values()) <= BUDGET:
        return [inline_image(name, path.read_bytes(), "png") for name, path in taken.items()], len(paths) - len(taken)
    encoded: dict[str, bytes] = {}
    width = float(MAX_WIDTH)
    for _ in range(ROUNDS):
        encoded = {name: _webp(path, round(width)) for name, path in taken.items()}
        total = sum(map(len, encoded.values()))
        if total <= BUDGET:
            break
        width *= 0.9 * math.sqrt(BUDGET / total)
    fitting = list(encoded)
    while fitting and sum(len(encoded[name]) for name in fitting) > BUDGET:
        fitting.pop()
    return [inline_image(name, encoded[name], "webp") for name in fitting], len(paths) - len(fitting)


def _webp(path: Path, max_width: int) -> bytes:
    """Return an image as WebP, scaled down to ``max_width`` pixels if it is wider."""
    from PIL import Image

    with Image.open(path) as image:
        small = image.convert("RGB")
    if small.width > max_width:
        small = small.resize((max_width, round(small.height * max_width / small.width)), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    small.save(content, format="WEBP", quality=82, method=2)  # 0.6 of the time of Pillow's 4, and 4 % larger
    return content.getvalue()


def inline_image(name: str, content: bytes, kind: str) -> InlineImage:
    """Return the image in ``content``, a file of the kind png or webp, as a data URL."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        width, height = image.size
    return InlineImage(name, f"data:image/{kind};base64,{base64.b64encode(content).decode()}", width, height)
