"""From ``data=...`` to the images that it names: a function an option, which alone imports the code of its data set."""

from typing import TYPE_CHECKING

from convscope.config.base import required
from convscope.config.data import (
    CIFAR10Config,
    DigitsConfig,
    HotdogConfig,
    ImageFolderConfig,
    ImageHubConfig,
    ImagesConfig,
    MNISTConfig,
    OwnImagesConfig,
)
from convscope.config.data_set import DATA
from convscope.modalities.own_data import open_own_images

if TYPE_CHECKING:
    from convscope.data.images.image_source import ImageSource


def open_images(config: ImagesConfig) -> "ImageSource":
    """Return the images that ``data=...`` names.

    Raises:
        UserError: The images are missing, or a classifier cannot be trained on them.
    """
    if isinstance(config, OwnImagesConfig):
        return open_own_images(config)
    source: ImageSource = DATA.builder(config.name)(config)
    return source


def open_image_folder(config: ImageFolderConfig) -> "ImageSource":
    """Return the images of class folders."""
    from convscope.data.images.image_folder import image_folder

    return image_folder(required(config.root, "data.root"), config.split_seed, config.validation, config.test)


def open_image_hub(config: ImageHubConfig) -> "ImageSource":
    """Return the images of a data set that the ``datasets`` library reads."""
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


def open_hotdog(config: HotdogConfig) -> "ImageSource":
    """Return photos of hot dogs and other food, or drawn scenes."""
    from convscope.data.images.hotdog import hotdog

    scenes = config.generated
    counts = (scenes.train, scenes.validation, scenes.test)
    seed = scenes.seed if config.source == "generated" or config.root is None else config.split_seed
    return hotdog(config.root, config.source, scenes.size, counts, seed)


def open_digits(config: DigitsConfig) -> "ImageSource":
    """Return scikit-learn's handwritten digits."""
    from convscope.data.images.digits import digits

    return digits(config.split_seed)


def open_mnist(config: MNISTConfig) -> "ImageSource":
    """Return MNIST."""
    from convscope.data.images.mnist import mnist

    return mnist(config.root, config.split_seed, config.validation)


def open_fashion_mnist(config: MNISTConfig) -> "ImageSource":
    """Return Fashion-MNIST."""
    from convscope.data.images.mnist import fashion_mnist

    return fashion_mnist(config.root, config.split_seed, config.validation)


def open_cifar10(config: CIFAR10Config) -> "ImageSource":
    """Return CIFAR-10."""
    from convscope.data.images.cifar10 import cifar10

    return cifar10(config.root, config.split_seed, config.validation)
