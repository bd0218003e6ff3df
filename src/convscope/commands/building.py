"""From the typed configuration to the objects that it names."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from convscope.config.data import CIFAR10, MNIST, Data, Digits, Hotdog, ImageData, ImageFolder, ImageHub
from convscope.config.model import Model
from convscope.config.text_model import TEXT_MODELS
from convscope.errors import UserError

if TYPE_CHECKING:
    from convscope.data.image_source import ImageSource
    from convscope.models.architecture import Architecture


def architecture_of(told: Model) -> "Architecture":
    """The architecture that ``model=...`` chose.

    Raises:
        UserError: A library knows no model of that name, or it is a network for texts.
    """
    if isinstance(told, TEXT_MODELS):
        raise UserError(f"model={told.name}: reads texts, and a network for pictures is needed here")
    from convscope.models.zoo import find_architecture

    return find_architecture(**told.model_dump(exclude={"weights"}))


def cache_dir(told: Data) -> Path:
    """Where pictures are kept: ``data.cache_dir``, else $CONVSCOPE_CACHE, else the user's cache folder."""
    return cache_folder(told.cache_dir)


def cache_folder(told: str | None) -> Path:
    """The folder that was told, else $CONVSCOPE_CACHE, else the user's cache folder."""
    return Path(told or os.environ.get("CONVSCOPE_CACHE") or "~/.cache/convscope").expanduser()


def open_source(told: ImageData) -> "ImageSource":
    """The pictures that ``data=...`` chose.

    Raises:
        UserError: They are not there, or not what a classifier can be trained on.
    """
    match told:
        case ImageFolder():
            from convscope.data.image_folder import image_folder

            return image_folder(required(told.root, "data.root"), told.split_seed, told.validation, told.test)
        case ImageHub():
            from convscope.data.image_hub import image_hub

            return image_hub(
                required(told.path, "data.path"),
                told.subset,
                told.image_column,
                told.label_column,
                told.split_seed,
                told.validation,
                told.test,
            )
        case Hotdog():
            from convscope.data.hotdog import hotdog

            scenes = told.generated
            counts = (scenes.train, scenes.validation, scenes.test)
            seed = scenes.seed if told.source == "generated" or told.root is None else told.split_seed
            return hotdog(told.root, told.source, scenes.size, counts, seed)
        case Digits():
            from convscope.data.digits import digits

            return digits(told.split_seed)
        case MNIST(name="mnist"):
            from convscope.data.mnist import mnist

            return mnist(told.root, told.split_seed, told.validation)
        case MNIST():
            from convscope.data.mnist import fashion_mnist

            return fashion_mnist(told.root, told.split_seed, told.validation)
        case CIFAR10():
            from convscope.data.cifar10 import cifar10

            return cifar10(told.root, told.split_seed, told.validation)


def required(value: str | None, key: str) -> str:
    """``value``, where it was given.

    Raises:
        UserError: It was not.
    """
    if value is None:
        raise UserError(f"{key}: must be given, as in {key}=PATH")
    return value
