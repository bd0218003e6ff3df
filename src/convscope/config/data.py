"""Settings of ``data``: one class for each image data set in ``conf/data``; for texts see ``text_data``."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from convscope.config.augmentation import Augmentation
from convscope.config.base import Config
from convscope.config.data_set import DATA, DataSetConfig
from convscope.config.target import NameOfTarget, TargetConfig
from convscope.config.text_data import OwnTextsConfig

Fraction = Annotated[float, Field(gt=0.0, lt=0.5)]


class FromScratchConfig(Config):
    """Recommended settings for training from random weights on this data."""

    epochs: PositiveInt
    image_size: Annotated[int, Field(ge=8, le=4096)] | None


class ImagesConfig(DataSetConfig):
    """Settings that all image data sets share."""

    image_size: Annotated[int, Field(ge=8, le=4096)] | None
    train_size: Annotated[int, Field(ge=8, le=4096)] | None
    augmentation: Augmentation
    on_bad_image: Literal["error", "skip"]
    workers: Literal["auto"] | Annotated[int, Field(ge=0, le=256)]
    scratch: FromScratchConfig


@DATA.option("image_folder", builds="convscope.modalities.images.sources:open_image_folder")
class ImageFolderConfig(ImagesConfig):
    """A folder of class folders, with or without train, val and test folders above them."""

    root: str | None
    validation: Fraction
    test: Fraction
    split_seed: int


@DATA.option("image_hub", builds="convscope.modalities.images.sources:open_image_hub")
class ImageHubConfig(ImagesConfig):
    """Any image-classification data set that the ``datasets`` library reads."""

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


@DATA.option("hotdog", builds="convscope.modalities.images.sources:open_hotdog")
class HotdogConfig(ImagesConfig):
    """Images of two classes: hot dog, or not hot dog."""

    source: Literal["auto", "folder", "hub", "generated"]
    root: str | None
    generated: GeneratedScenesConfig
    split_seed: int


@DATA.option("digits", builds="convscope.modalities.images.sources:open_digits")
class DigitsConfig(ImagesConfig):
    """scikit-learn's handwritten digits, 8 × 8."""

    split_seed: int


@DATA.option("mnist", builds="convscope.modalities.images.sources:open_mnist")
@DATA.option("fashion_mnist", builds="convscope.modalities.images.sources:open_fashion_mnist")
class MNISTConfig(ImagesConfig):
    """MNIST or Fashion-MNIST, from IDX files or the hub."""

    root: str | None
    validation: PositiveInt
    split_seed: int


@DATA.option("cifar10", builds="convscope.modalities.images.sources:open_cifar10")
class CIFAR10Config(ImagesConfig):
    """CIFAR-10, from its binary files or the hub."""

    root: str | None
    validation: PositiveInt
    split_seed: int


class OwnImagesConfig(ImagesConfig, TargetConfig):
    """Images of the user's own: what ``_target_`` returns; see ``convscope.modalities.images.own_images``."""

    name: NameOfTarget


DATA.targets = {"tokens": OwnTextsConfig, "": OwnImagesConfig}
DataConfig = Annotated[DataSetConfig, DATA]
