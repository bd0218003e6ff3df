"""Choosing the modality of a training, images or texts; only the chosen one is imported."""

from typing import TYPE_CHECKING

from convscope.config.text_data import TextsConfig
from convscope.config.text_model import TEXT_MODELS
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
    texts = isinstance(config.data, TextsConfig)
    if texts is not isinstance(config.model, TEXT_MODELS):
        names = ", ".join(model.model_fields["name"].annotation.__args__[0] for model in TEXT_MODELS)  # type: ignore[union-attr]
        model, data = f"model={config.model.name}", f"data={config.data.name}"
        if texts:
            raise UserError(f"{model} reads images, and {data} are texts; choose a model for texts: {names}")
        raise UserError(f"{model} reads texts, and {data} are images; choose data=movie_reviews, for example")
    if isinstance(config.data, TextsConfig):
        _refuse_for_texts(config)
        return open_texts(config.data)
    return open_images(config.data)


def build_modality(config: TrainConfig, source: "ImageSource | TextSource") -> "Modality":
    """Return the modality of a training on ``source``, which is open."""
    if isinstance(config.data, TextsConfig):
        from convscope.modalities.texts.modality import TextModality

        return TextModality(config, source)  # type: ignore[arg-type]
    from convscope.modalities.images.modality import ImageModality

    return ImageModality(config, source)  # type: ignore[arg-type]


def _refuse_for_texts(config: TrainConfig) -> None:
    """Raise UserError if mixup, CutMix, an augmentation or a setting of ``data.tokens`` does not suit texts."""
    if config.task.mixup or config.task.cutmix:
        raise UserError("task.mixup and task.cutmix mix images: set them to 0 for texts")
    for stage in config.transfer.stages:
        if stage.augmentation != "none":
            raise UserError(f"transfer.augmentation={stage.augmentation}: texts are not augmented; set it to none")
    from convscope.modalities.texts.networks import build_text_architecture, text_preprocessing

    text_preprocessing(build_text_architecture(config.model), config.data)  # type: ignore[arg-type]
