"""Data of the user's own: what ``data._target_`` returns, as a source of images or texts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from convscope.composition.instantiation import build_target
from convscope.config.data import OwnImagesConfig
from convscope.config.text_data import OwnTextsConfig
from convscope.data.images.image_source import SPLITS, ImageSource
from convscope.errors import UserError

if TYPE_CHECKING:
    from convscope.data.texts.text_source import TextSource

# Other names of the splits.
NAMES = {"val": "validation", "valid": "validation", "dev": "validation"}


def open_own_images(config: OwnImagesConfig) -> ImageSource:
    """Return the images of ``data._target_``: an `ImageSource`, data sets of PyTorch, or a data module.

    Raises:
        UserError: It fails, or returns something else.
    """
    from pytorch_lightning import LightningDataModule

    from convscope.data.images.dataset_split import image_source
    from convscope.data.images.own_data_module import own_module_source

    built = build_target("data", config)
    if isinstance(built, ImageSource):
        return built
    if isinstance(built, LightningDataModule):
        return own_module_source(config.name, built)
    return image_source(config.name, named_splits(built, config.target))


def open_own_texts(config: OwnTextsConfig) -> "TextSource":
    """Return the texts of ``data._target_``: a `TextSource`, or three sequences of (text, label).

    Raises:
        UserError: It fails, or returns something else.
    """
    from convscope.data.texts.text_pairs import text_source
    from convscope.data.texts.text_source import TextSource

    built = build_target("data", config)
    if isinstance(built, TextSource):
        return built
    return text_source(config.name, named_splits(built, config.target))


def named_splits(built: Any, target: str) -> dict[str, Any]:
    """Return the data sets for training, validation and test by the names of their splits.

    Args:
        built: A mapping by name, or three of them in that order.
        target: What returned it, for messages.

    Raises:
        UserError: It is neither, or a split is missing.
    """
    if isinstance(built, Mapping):
        splits = {NAMES.get(str(name), str(name)): dataset for name, dataset in built.items()}
        if {*splits} != {*SPLITS}:
            raise UserError(
                f"data: {target} returns the splits {', '.join(splits) or 'none'}; it must return train, validation "
                "and test"
            )
        return {split: splits[split] for split in SPLITS}
    if isinstance(built, Sequence) and not isinstance(built, str) and len(built) == len(SPLITS):
        return dict(zip(SPLITS, built, strict=True))
    kind = f"{len(built)} of them" if isinstance(built, Sequence) else type(built).__name__
    raise UserError(
        f"data: {target} must return the data sets train, validation and test, as a mapping or in this order, and "
        f"returned {kind}"
    )
