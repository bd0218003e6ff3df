"""The preprocessing that a network expects of its input: stated by the models, applied by the data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes a network's input.

    An image is resized until its shorter side is ``resize`` pixels, its centre is cut out as a square of
    ``size`` pixels, brought to ``channels`` channels (1 grey, 3 RGB), scaled to 0..1, and normalised by
    ``(x - mean) / std``, channel by channel.
    """

    size: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bilinear"  # nearest | bilinear | bicubic
    crop_ratio: float = 1.0  # size / resize
    of_files: bool = True  # False: the user's own data module prepares the images, and files cannot be read alike
    pad_from: int | None = None  # an image with sides from this to `resize` gets a black margin instead of resizing

    @property
    def resize(self) -> int:
        """Length in pixels of the shorter side before the centre crop."""
        return max(self.size, int(self.size / self.crop_ratio))


@dataclass(frozen=True)
class TextPreprocessing:
    """How a text becomes a network's input: a sequence of token numbers.

    ``level`` is the kind of the tokens (word | wordpiece | byte_pair | character). If the network has a fixed
    ``alphabet``, every other character is unknown to it. A text of more than ``max_length`` tokens is cut off; one of
    fewer than ``min_length`` is padded, so that all texts have one length if both are equal.
    """

    level: str
    max_length: int
    min_length: int = 1
    alphabet: str | None = None
