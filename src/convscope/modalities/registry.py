"""Choosing the modality of a training, or of a trained run, images or texts; only the chosen one is imported."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.composition.trust import refuse_unknown_options
from convscope.config.data import ImagesConfig
from convscope.config.data_set import DataSetConfig
from convscope.config.network import MODELS, NetworkConfig, OwnNetworkConfig, TextNetworkConfig
from convscope.config.text_data import TextsConfig
from convscope.config.train import TrainConfig
from convscope.errors import UserError
from convscope.modalities.images.sources import open_images
from convscope.modalities.texts.sources import open_texts
from convscope.runs.saved_config import read_saved_config, trained_on_texts

if TYPE_CHECKING:
    from convscope.data.images.image_source import ImageSource
    from convscope.data.texts.text_source import TextSource
    from convscope.modalities.describable_network import DescribableNetwork
    from convscope.modalities.modality import Modality
    from convscope.modalities.trained_run import TrainedRun


def open_data(config: TrainConfig) -> "ImageSource | TextSource":
    """Open the images or texts that ``data=...`` names; most user errors are found here, before Lightning is imported.

    Images are opened without PyTorch; for texts, ``data.tokens`` is first checked against what the network reads.

    Raises:
        UserError: The data are missing, the network is for the other modality, or a setting does not suit it.
    """
    data, model = config.data, config.model
    if isinstance(data, TextsConfig):
        if not isinstance(model, TextNetworkConfig | OwnNetworkConfig):
            names = ", ".join(name for name, kind in MODELS.classes.items() if issubclass(kind, TextNetworkConfig))
            raise UserError(
                f"model={model.name} reads images, and data={data.name} are texts; choose a model for texts: {names}"
            )
        _refuse_for_texts(config, model, data)
        return open_texts(data)
    if isinstance(model, TextNetworkConfig):
        raise UserError(
            f"model={model.name} reads texts, and data={data.name} are images; choose data=movie_reviews, for example"
        )
    assert isinstance(data, ImagesConfig)
    return open_images(data)


def find_modality(data: DataSetConfig) -> "Modality[Any, Any, Any]":
    """Return the modality of ``data``. It takes the examples that `open_data` returns for them."""
    if isinstance(data, TextsConfig):
        from convscope.modalities.texts.modality import TextModality

        return TextModality()
    from convscope.modalities.images.modality import ImageModality

    return ImageModality()


def find_describable_network(config: NetworkConfig, classes: int | None, channels: int | None) -> "DescribableNetwork":
    """Return the network that ``model=...`` names, to be described.

    Args:
        config: The configuration of the network.
        classes: Number of classes; None for that of its paper.
        channels: Number of channels of an image; None for that of its paper.

    Raises:
        UserError: No library has a model of that name, or an option does not suit it.
    """
    if isinstance(config, TextNetworkConfig) or _reads_texts(config):
        from convscope.modalities.texts import networks as text_networks

        return text_networks.describable_network(config, classes)
    from convscope.modalities.images import networks as image_networks

    return image_networks.describable_network(config, classes, channels)


def _reads_texts(config: NetworkConfig) -> bool:
    """Return whether a network of the user's own takes a number of tokens, and so reads texts."""
    if not isinstance(config, OwnNetworkConfig):
        return False
    from convscope.modalities.own_network import VOCABULARY, takes

    return takes(config, VOCABULARY)


def load_run(path: str | Path, checkpoint: str = "best", trusted: Sequence[str] = ()) -> "TrainedRun":
    """Load the weights that a run kept.

    Args:
        path: The run's folder.
        checkpoint: ``best`` or ``last``.
        trusted: Packages whose code the run's network may be, if it is not one of convscope's.

    Raises:
        UserError: There is no run, it has no checkpoint, the checkpoint is damaged, or the run names other code.
    """
    config = read_saved_config(path)
    refuse_unknown_options(config, f"run={path}", trusted)
    if trained_on_texts(config):
        from convscope.modalities.texts.trained_run import TrainedTextRun

        return TrainedTextRun.load(path, config, checkpoint, trusted)
    from convscope.modalities.images.trained_run import TrainedImageRun

    return TrainedImageRun.load(path, config, checkpoint, trusted)


def _refuse_for_texts(config: TrainConfig, model: NetworkConfig, data: TextsConfig) -> None:
    """Raise UserError if mixup, CutMix, an augmentation or a setting of ``data.tokens`` does not suit texts."""
    if config.task.mixup or config.task.cutmix:
        raise UserError("task.mixup and task.cutmix mix images: set them to 0 for texts")
    for stage in config.transfer.stages:
        if stage.augments:
            raise UserError("transfer.augmentation: texts are not augmented; set it to none")
    from convscope.modalities.texts.networks import build_text_architecture, text_preprocessing

    text_preprocessing(build_text_architecture(model), data)
