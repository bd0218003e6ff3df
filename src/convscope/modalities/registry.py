"""Images or texts: which of the two a training is about; only that one is imported."""

from typing import TYPE_CHECKING

from convscope.config.text_data import Texts
from convscope.config.text_model import TEXT_MODELS
from convscope.config.train import Train
from convscope.errors import UserError
from convscope.modalities.images.sources import open_source
from convscope.modalities.texts.sources import open_texts

if TYPE_CHECKING:
    from convscope.data.images.image_source import ImageSource
    from convscope.data.texts.text_source import TextSource
    from convscope.modalities.modality import Subject


def open_data(config: Train) -> "ImageSource | TextSource":
    """Open the images or texts that ``data=...`` chose; most mistakes are about them, and Lightning is not needed yet.

    Images are opened without PyTorch; of texts, what ``data.tokens`` asks of the network is checked first.

    Raises:
        UserError: They are not there, or the network reads the other kind, or something else of a network.
    """
    texts = isinstance(config.data, Texts)
    if texts is not isinstance(config.model, TEXT_MODELS):
        names = ", ".join(model.model_fields["name"].annotation.__args__[0] for model in TEXT_MODELS)  # type: ignore[union-attr]
        model, data = f"model={config.model.name}", f"data={config.data.name}"
        if texts:
            raise UserError(f"{model} reads pictures, and {data} are texts; choose a model for texts: {names}")
        raise UserError(f"{model} reads texts, and {data} are pictures; choose data=movie_reviews, for example")
    if isinstance(config.data, Texts):
        _refuse_for_texts(config)
        return open_texts(config.data)
    return open_source(config.data)


def subject_of(config: Train, source: "ImageSource | TextSource") -> "Subject":
    """What a training on ``source``, opened, does in its own way."""
    if isinstance(config.data, Texts):
        from convscope.modalities.texts.modality import TextSubject

        return TextSubject(config, source)  # type: ignore[arg-type]
    from convscope.modalities.images.modality import PictureSubject

    return PictureSubject(config, source)  # type: ignore[arg-type]


def _refuse_for_texts(config: Train) -> None:
    if config.task.mixup or config.task.cutmix:
        raise UserError("task.mixup and task.cutmix mix pictures: set them to 0 for texts")
    for stage in config.transfer.stages:
        if stage.augmentation != "none":
            raise UserError(f"transfer.augmentation={stage.augmentation}: texts are not augmented; set it to none")
    from convscope.modalities.texts.networks import text_architecture_of, text_preprocessing

    text_preprocessing(text_architecture_of(config.model), config.data)  # type: ignore[arg-type]
