"""From ``data=...`` to the images that it names. What an option does not need, it does not import."""

from typing import TYPE_CHECKING

from convscope.config.base import required
from convscope.config.data import CIFAR10, MNIST, Digits, Hotdog, ImageData, ImageFolder, ImageHub

if TYPE_CHECKING:
    from convscope.data.images.image_source import ImageSource


def open_source(told: ImageData) -> "ImageSource":
    """The pictures that ``data=...`` chose.

    Raises:
        UserError: They are not there, or not what a classifier can be trained on.
    """
    match told:
        case ImageFolder():
            from convscope.data.images.image_folder import image_folder

            return image_folder(required(told.root, "data.root"), told.split_seed, told.validation, told.test)
        case ImageHub():
            from convscope.data.images.image_hub import image_hub

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
            from convscope.data.images.hotdog import hotdog

            scenes = told.generated
            counts = (scenes.train, scenes.validation, scenes.test)
            seed = scenes.seed if told.source == "generated" or told.root is None else told.split_seed
            return hotdog(told.root, told.source, scenes.size, counts, seed)
        case Digits():
            from convscope.data.images.digits import digits

            return digits(told.split_seed)
        case MNIST(name="mnist"):
            from convscope.data.images.mnist import mnist

            return mnist(told.root, told.split_seed, told.validation)
        case MNIST():
            from convscope.data.images.mnist import fashion_mnist

            return fashion_mnist(told.root, told.split_seed, told.validation)
        case CIFAR10():
            from convscope.data.images.cifar10 import cifar10

            return cifar10(told.root, told.split_seed, told.validation)
