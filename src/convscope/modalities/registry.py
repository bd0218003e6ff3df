"""Choosing the modality of a training, images or texts; only the chosen one is imported."""

from typing import TYPE_CHECKING, Any, get_args

from convscope.config.data import DataConfig
from convscope.config.text_data import TextDataConfig, TextsConfig
from convscope.config.text_model import TEXT_MODELS, TextModelConfig
from convscope.config.train import TrainConfig
from convscope.errors import UserError
from convscope.modalities.images.sources import open_images
from convscope.modalities.texts.sources import open_texts

if TYPE_CHECKING:
    from convscope.data.images.image_source import ImageSource
    from convscope.data.texts.text_source import TextSource
    from convscope.modalities.modality import Modality


def open_data(config: TrainConfig) -> "ImageSource | TextSource":
    """Open the images or texts that ``data=...`` names; most user errors are found here, before Lightning is imported.

    Images are opened without PyTorch; for texts, ``data.tokens`` is first checked against what the network reads.

    Raises:
        UserError: The data are missing, the network is for the other modality, or a setting does not suit it.
    """
    data, model = config.data, config.model
    if isinstance(data, TextsConfig):
        if not isinstance(model, TEXT_MODELS):
            names = ", ".join(get_args(config.model_fields["name"].annotation)[0] for config in TEXT_MODELS)
            raise UserError(
                f"model={model.name} reads images, and data={data.name} are texts; choose a model for texts: {names}"
            )
        _refuse_for_texts(config, model, data)
        return open_texts(data)
    if isinstance(model, TEXT_MODELS):
        raise UserError(
            f"model={model.name} reads texts, and data={data.name} are images; choose data=movie_reviews, for example"
        )
    return open_images(data)


def find_modality(data: DataConfig) -> "Modality[Any, Any, Any]":
    """Return the modality of ``data``. It takes the examples that `open_data` returns for them."""
    if isinstance(data, TextsConfig):
        from convscope.modalities.texts.modality import TextModality

        return TextModality()
    from convscope.modalities.images.modality import ImageModality

    return ImageModality()


def _refuse_for_texts(config: TrainConfig, model: TextModelConfig, data: TextDataConfig) -> None:
    """Raise UserError if mixup, CutMix, an augmentation or a setting of ``data.tokens`` does not suit texts."""
    if config.task.mixup or config.task.cutmix:
        raise UserError("task.mixup and task.cutmix mix images: set them to 0 for texts")
    for stage in config.transfer.stages:
        if stage.augmentation != "none":
            raise UserError(f"transfer.augmentation={stage.augmentation}: texts are not augmented; set it to none")
    from convscope.modalities.texts.networks import build_text_architecture, text_preprocessing

    text_preprocessing(build_text_architecture(model), data)
