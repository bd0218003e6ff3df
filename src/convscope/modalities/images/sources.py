"""From ``data=...`` to the images that it names. The code of a data set is imported only if it is chosen."""

from typing import TYPE_CHECKING

from convscope.config.base import required
from convscope.config.data import (
    CIFAR10Config,
    DigitsConfig,
    HotdogConfig,
    ImageDataConfig,
    ImageFolderConfig,
    ImageHubConfig,
    MNISTConfig,
)

if TYPE_CHECKING:
    from convscope.data.images.image_source import ImageSource


def open_images(config: ImageDataConfig) -> "ImageSource":
    """Return the images that ``data=...`` names.

    Raises:
        UserError: The images are missing, or a classifier cannot be trained on them.
    """
    match config:
        case ImageFolderConfig():
            from convscope.data.images.image_folder import image_folder

            return image_folder(required(config.root, "data.root"), config.split_seed, config.validation, config.test)
        case ImageHubConfig():
            from convscope.data.images.image_hub import image_hub

            return image_hub(
                required(config.path, "data.path"),
                subset=config.subset,
                image_column=config.image_column,
                label_column=config.label_column,
                seed=config.split_seed,
                validation=config.validation,
                test=config.test,
            )
        case HotdogConfig():
            from convscope.data.images.hotdog import hotdog

            scenes = config.generated
            counts = (scenes.train, scenes.validation, scenes.test)
            seed = scenes.seed if config.source == "generated" or config.root is None else config.split_seed
            return hotdog(config.root, config.source, scenes.size, counts, seed)
        case DigitsConfig():
            from convscope.data.images.digits import digits

            return digits(config.split_seed)
        case MNISTConfig(name="mnist"):
            from convscope.data.images.mnist import mnist

            return mnist(config.root, config.split_seed, config.validation)
        case MNISTConfig():
            from convscope.data.images.mnist import fashion_mnist

            return fashion_mnist(config.root, config.split_seed, config.validation)
        case CIFAR10Config():
            from convscope.data.images.cifar10 import cifar10

            return cifar10(config.root, config.split_seed, config.validation)
