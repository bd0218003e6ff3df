"""What a training is about, pictures or texts: all that differs between the two, in the order in which it is needed."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from convscope.config.text_data import Texts
from convscope.config.text_model import TEXT_MODELS
from convscope.config.train import Train
from convscope.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from pytorch_lightning.callbacks import Callback

    from convscope.callbacks.time_spent import TimeSpent
    from convscope.commands.insights import Insights
    from convscope.data.image_data_module import ImageDataModule
    from convscope.data.image_source import ImageSource
    from convscope.data.text_data_module import TextDataModule
    from convscope.data.text_source import TextSource
    from convscope.models.network import Network
    from convscope.models.text_network import TextNetwork
    from convscope.models.weights import Weights
    from convscope.tasks.classification import Classification, Objective
    from convscope.tracking.recorder import Recorder
    from convscope.tracking.run_folder import RunFolder


class Subject(ABC):
    """Pictures or texts, with their labels in ``source``.

    Attributes:
        things: What they are called.
        fixed_shape: Whether all inputs of a network have one shape.
    """

    things: str
    fixed_shape: bool
    task_name: str
    source: "ImageSource | TextSource"

    @abstractmethod
    def weights(self, config: Train) -> "Weights":
        """Where the network's weights come from."""

    @abstractmethod
    def build(self, config: Train, weights: "Weights") -> "tuple[Network | TextNetwork, int]":
        """The network, and its multiply-adds for one example."""

    @abstractmethod
    def data_module(self, config: Train) -> "ImageDataModule | TextDataModule":
        """The batches, opened; after ``build``."""

    @abstractmethod
    def task(self, network: "Network | TextNetwork", objective: "Objective", model: dict[str, Any]) -> "Classification":
        """The LightningModule; ``model`` is the configuration of the network, which checkpoints keep."""

    def leave(self, folder: "RunFolder") -> None:  # noqa: B027 - pictures leave nothing
        """Put what an evaluation needs beside the weights into the run's folder; after ``build``."""

    def warnings(self) -> list[str]:
        """What was found while the data were prepared; after ``data_module``."""
        return []

    def test_picture(self) -> "Callable[[int], np.ndarray] | None":
        """From an index in the test split to the picture, (H, W, C) uint8; None for texts."""
        return None

    def example(self) -> "np.ndarray | None":
        """Two inputs as another program would give them to the network; None without a fixed shape."""
        return None

    @abstractmethod
    def said(self) -> dict[str, str]:
        """Lines for the console about the data; after ``data_module``."""

    @abstractmethod
    def show_samples(self, recorder: "Recorder") -> None:
        """Log a few training examples; after ``data_module``."""

    @abstractmethod
    def figures(self, recorder: "Recorder") -> "Callback":
        """What draws the test."""

    def insights(self, config: Train, recorder: "Recorder", spent: "TimeSpent") -> "Insights | None":
        """What is told of the network's parameters and fields; after ``data_module``."""
        return None

    def looks_while_training(
        self, config: Train, recorder: "Recorder", spent: "TimeSpent", warn: Callable[[str], None]
    ) -> "list[Callback]":
        """Callbacks that look into the network while it is trained; after ``data_module``.

        ``warn`` takes a sentence about what could not be looked at.
        """
        return []

    def looks_at_test(
        self, config: Train, recorder: "Recorder", spent: "TimeSpent", warn: Callable[[str], None]
    ) -> "list[Callback]":
        """Callbacks that look into the network after the test."""
        return []

    @abstractmethod
    def summary(self) -> dict[str, dict[str, Any]]:
        """What the summary says beside the rest, under ``model`` and ``data``."""


def subject_of(config: Train) -> Subject:
    """The pictures or texts that ``data=...`` chose.

    Raises:
        UserError: They are not there, or the network reads the other kind.
    """
    texts = isinstance(config.data, Texts)
    if texts is not isinstance(config.model, TEXT_MODELS):
        names = ", ".join(model.model_fields["name"].annotation.__args__[0] for model in TEXT_MODELS)  # type: ignore[union-attr]
        model, data = f"model={config.model.name}", f"data={config.data.name}"
        if texts:
            raise UserError(f"{model} reads pictures, and {data} are texts; choose a model for texts: {names}")
        raise UserError(f"{model} reads texts, and {data} are pictures; choose data=movie_reviews, for example")
    if texts:
        from convscope.commands.text_subject import TextSubject

        return TextSubject(config)
    from convscope.commands.picture_subject import PictureSubject

    return PictureSubject(config)
