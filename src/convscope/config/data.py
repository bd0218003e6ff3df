"""``data``: one class for each option of ``conf/data``."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from convscope.config.base import Config
from convscope.config.text_data import TextData

Fraction = Annotated[float, Field(gt=0.0, lt=0.5)]
Augmentation = Literal["none", "shift", "crop", "light", "colour", "strong"]


class FromScratch(Config):
    """What a training from random weights on this data does well with."""

    epochs: PositiveInt
    image_size: Annotated[int, Field(ge=8, le=4096)] | None


class _Images(Config):
    image_size: Annotated[int, Field(ge=8, le=4096)] | None
    train_size: Annotated[int, Field(ge=8, le=4096)] | None
    batch_size: Annotated[int, Field(ge=1, le=65536)]
    augmentation: Augmentation
    class_weights: Literal["none", "balanced"]
    on_bad_image: Literal["error", "skip"]
    workers: Literal["auto"] | Annotated[int, Field(ge=0, le=256)]
    cache_dir: str | None
    scratch: FromScratch


class ImageFolder(_Images):
    """A folder of class folders, with or without train, val and test above them."""

    name: Literal["image_folder"]
    root: str | None
    validation: Fraction
    test: Fraction
    split_seed: int


class ImageHub(_Images):
    """Any image-classification set that the ``datasets`` library reads."""

    name: Literal["image_hub"]
    path: str | None
    subset: str | None
    image_column: str | None
    label_column: str | None
    validation: Fraction
    test: Fraction
    split_seed: int


class GeneratedScenes(Config):
    """How many pictures are drawn, how large, and from which seed."""

    size: Annotated[int, Field(ge=16, le=1024)]
    train: PositiveInt
    validation: PositiveInt
    test: PositiveInt
    seed: Annotated[int, Field(ge=0)]


class Hotdog(_Images):
    """Hot dog, or not hot dog."""

    name: Literal["hotdog"]
    source: Literal["auto", "folder", "hub", "generated"]
    root: str | None
    generated: GeneratedScenes
    split_seed: int


class Digits(_Images):
    """scikit-learn's handwritten digits, 8 × 8."""

    name: Literal["digits"]
    split_seed: int


class MNIST(_Images):
    """MNIST or Fashion-MNIST, from IDX files or the hub."""

    name: Literal["mnist", "fashion_mnist"]
    root: str | None
    validation: PositiveInt
    split_seed: int


class CIFAR10(_Images):
    """CIFAR-10, from its binary files or the hub."""

    name: Literal["cifar10"]
    root: str | None
    validation: PositiveInt
    split_seed: int


ImageData = ImageFolder | ImageHub | Hotdog | Digits | MNIST | CIFAR10
Data = Annotated[ImageData | TextData, Field(discriminator="name")]
