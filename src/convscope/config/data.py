"""Settings of ``data``: one class for each image data set in ``conf/data``; for texts see ``text_data``."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from convscope.config.base import Config
from convscope.config.text_data import TextDataConfig

Fraction = Annotated[float, Field(gt=0.0, lt=0.5)]
Augmentation = Literal["none", "shift", "crop", "light", "colour", "strong"]


class FromScratchConfig(Config):
    """Recommended settings for training from random weights on this data."""

    epochs: PositiveInt
    image_size: Annotated[int, Field(ge=8, le=4096)] | None


class _ImageDataConfig(Config):
    image_size: Annotated[int, Field(ge=8, le=4096)] | None
    train_size: Annotated[int, Field(ge=8, le=4096)] | None
    batch_size: Annotated[int, Field(ge=1, le=65536)]
    augmentation: Augmentation
    class_weights: Literal["none", "balanced"]
    on_bad_image: Literal["error", "skip"]
    workers: Literal["auto"] | Annotated[int, Field(ge=0, le=256)]
    cache_dir: str | None
    scratch: FromScratchConfig


class ImageFolderConfig(_ImageDataConfig):
    """A folder of class folders, with or without train, val and test folders above them."""

    name: Literal["image_folder"]
    root: str | None
    validation: Fraction
    test: Fraction
    split_seed: int


class ImageHubConfig(_ImageDataConfig):
    """Any image-classification data set that the ``datasets`` library reads."""

    name: Literal["image_hub"]
    path: str | None
    subset: str | None
    image_column: str | None
    label_column: str | None
    validation: Fraction
    test: Fraction
    split_seed: int


class GeneratedScenesConfig(Config):
    """Number, size and seed of the images that are drawn."""

    size: Annotated[int, Field(ge=16, le=1024)]
    train: PositiveInt
    validation: PositiveInt
    test: PositiveInt
    seed: Annotated[int, Field(ge=0)]


class HotdogConfig(_ImageDataConfig):
    """Images of two classes: hot dog, or not hot dog."""

    name: Literal["hotdog"]
    source: Literal["auto", "folder", "hub", "generated"]
    root: str | None
    generated: GeneratedScenesConfig
    split_seed: int


class DigitsConfig(_ImageDataConfig):
    """scikit-learn's handwritten digits, 8 × 8."""

    name: Literal["digits"]
    split_seed: int


class MNISTConfig(_ImageDataConfig):
    """MNIST or Fashion-MNIST, from IDX files or the hub."""

    name: Literal["mnist", "fashion_mnist"]
    root: str | None
    validation: PositiveInt
    split_seed: int


class CIFAR10Config(_ImageDataConfig):
    """CIFAR-10, from its binary files or the hub."""

    name: Literal["cifar10"]
    root: str | None
    validation: PositiveInt
    split_seed: int


ImageDataConfig = ImageFolderConfig | ImageHubConfig | HotdogConfig | DigitsConfig | MNISTConfig | CIFAR10Config
DataConfig = Annotated[ImageDataConfig | TextDataConfig, Field(discriminator="name")]
