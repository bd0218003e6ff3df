"""From ``transfer.augmentation=...`` to the augmentation that it names."""

from functools import partial

from convscope.composition.instantiation import build_target, call_with_named
from convscope.config.augmentation import AUGMENTATIONS
from convscope.config.named import NamedConfig
from convscope.config.target import TargetConfig
from convscope.data.images.augmentation import Augmentation, BatchAugmentation, ImageAugmentation
from convscope.data.images.own_augmentation import own_augmentation

SIZE_ARGUMENTS = ("size", "image_size", "img_size")


def find_augmentation(settings: NamedConfig | TargetConfig) -> Augmentation:
    """Return the augmentation that ``settings`` name, for images of any size."""
    if isinstance(settings, TargetConfig):
        return Augmentation(repr(settings), partial(_make_own, settings))
    return Augmentation(repr(settings) if len(settings.model_dump()) > 1 else settings.name, partial(_make, settings))


def _make(settings: NamedConfig, size: int, interpolation: str) -> ImageAugmentation | BatchAugmentation:
    builder = AUGMENTATIONS.builder(settings.name)
    made: ImageAugmentation | BatchAugmentation = call_with_named(
        builder, settings=settings, size=size, interpolation=interpolation
    )
    return made


def _make_own(settings: TargetConfig, size: int, interpolation: str) -> ImageAugmentation | BatchAugmentation:
    offered = dict.fromkeys(SIZE_ARGUMENTS, size)
    return own_augmentation(build_target(AUGMENTATIONS.key, settings, offered=offered), size)
