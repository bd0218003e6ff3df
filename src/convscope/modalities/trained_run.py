"""The interface of a trained run, on images or on texts: what is done with it after the training."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import torch
from torch import nn

from convscope.config.data import DataConfig
from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.images.image_source import ImageSource
from convscope.data.texts.text_data_module import TextDataModule
from convscope.data.texts.text_source import TextSource
from convscope.errors import UserError
from convscope.insight.frozen_network import Score
from convscope.preprocessing import Preprocessing, TextPreprocessing
from convscope.runs.run_folder import RunFolder
from convscope.tasks.classification import Classification

Source = TypeVar("Source", ImageSource, TextSource)


@dataclass(frozen=True)
class SaliencyMaps:
    """What each pixel or token of N examples contributes to a class.

    Attributes:
        values: (N, H, W) for images, (N, L) for texts.
        error: Completeness error, (N,), of integrated gradients of images; None of other methods.
    """

    values: torch.Tensor
    error: torch.Tensor | None = None


@dataclass(frozen=True)
class Explanation:
    """The explained classes of N examples, and their saliency maps.

    Attributes:
        run: The run's folder.
        overrides: The overrides of the command line.
        probabilities: (N, classes).
        targets: The explained class of each example, (N,).
        requested: The class that was requested for all examples; None if each has its own.
        maps: The maps by method.
    """

    run: Path
    overrides: Sequence[str]
    probabilities: torch.Tensor
    targets: torch.Tensor
    requested: int | None
    maps: Mapping[str, SaliencyMaps]


class Examples(ABC):
    """Images or texts, ready for the network of a run.

    Attributes:
        labels: The true classes, (N,) int64; None if they are not known.
    """

    labels: torch.Tensor | None

    @abstractmethod
    def logits(self) -> torch.Tensor:
        """Return the network's logits, (N, classes)."""

    @abstractmethod
    def saliency(self, method: str, targets: torch.Tensor, score: Score, layer: str | None) -> SaliencyMaps:
        """Compute the saliency maps of a method.

        Args:
            method: Name of the method.
            targets: The class to explain for each example, (N,).
            score: The score of the class whose derivatives are taken.
            layer: Path of the layer, for the methods that need one; None for the last that makes a feature map.

        Raises:
            UserError: The method does not suit the network, or there is no such layer.
        """

    @abstractmethod
    def write_explanation(self, folder: Path, explanation: Explanation) -> None:
        """Write the figures and arrays or tables of an explanation to ``folder``; print the predictions and paths."""

    @abstractmethod
    def preview(self) -> dict[str, Any]:
        """Return how the app shows the first example as the network reads it."""

    @abstractmethod
    def drawn_map(self, method: str, target: int) -> dict[str, Any]:
        """Return how the app shows the saliency of the first example.

        Raises:
            UserError: The method does not suit the network.
        """


@dataclass(frozen=True)
class TrainedRun(ABC):
    """A trained network with the run's own weights, and what is needed to use it.

    Attributes:
        folder: Folder of the run.
        config: Content of the run's ``config.yaml``.
        network: Maps inputs (N, ...) to logits (N, classes), in evaluation mode.
        classes: Names of the classes, in the order of the logits.
        preprocessing: What the network expects of an example.
        noun: What the examples are called: ``images`` or ``texts``.
        app_methods: The saliency methods that the app offers: their titles by name, in the order of the page.
    """

    noun: ClassVar[str]
    app_methods: ClassVar[Mapping[str, str]]

    folder: RunFolder
    config: dict[str, Any]
    network: nn.Module
    classes: tuple[str, ...]
    preprocessing: Preprocessing | TextPreprocessing

    @classmethod
    @abstractmethod
    def load(cls, path: str | Path, config: dict[str, Any], checkpoint: str, trusted: Sequence[str] = ()) -> Self:
        """Load the weights that a run kept.

        Args:
            path: The run's folder.
            config: Content of its ``config.yaml``.
            checkpoint: ``best`` or ``last``.
            trusted: Packages whose code its network may be.

        Raises:
            UserError: The run has no checkpoint or, if it is on texts, no tokenizer; or one of them is damaged.
        """

    @property
    def title(self) -> str:
        """Names of model and data, such as ``resnet on hotdog``."""
        return f"{self.config['model']['name']} on {self.config['data']['name']}"

    @property
    def accuracy(self) -> float | None:
        """Accuracy on the test split; None if the run is not complete."""
        summary = self.folder.read_summary() or {}
        value = summary.get("metrics", {}).get("test", {}).get("accuracy")
        return float(value) if isinstance(value, (int, float)) else None

    @property
    def generated(self) -> bool:
        """Whether the run was trained, and tested, on generated examples."""
        value: object = (self.folder.read_summary() or {}).get("data", {}).get("source")
        return value == "generated"

    @property
    def precision(self) -> str | None:
        """Precision in which the run was tested; None if the run is not complete."""
        value: str | None = (self.folder.read_summary() or {}).get("environment", {}).get("precision")
        return value

    @abstractmethod
    def task(self) -> Classification:
        """Return the LightningModule that tests the network."""

    @abstractmethod
    def multiply_adds(self) -> int:
        """Return the network's multiply-adds for one example."""

    @abstractmethod
    def test_data(self, config: DataConfig, run_name: str) -> ImageDataModule | TextDataModule:
        """Return the examples to score, with labels that are indices into ``classes``.

        Of the data that the run was trained on, only the test split is scored. Of other folders or files, their test
        split is scored, or all examples if they have no splits.

        Args:
            config: The data.
            run_name: The run in messages, such as ``run=PATH``.

        Raises:
            UserError: The data has a class that the run does not know, or the run was trained on some of the texts.
        """

    def _was_trained_on(self, config: DataConfig) -> bool:
        """Return whether ``config`` names the run's own data, however the path is written."""
        saved = self.config["data"]
        return config.name == saved["name"] and _place(getattr(config, "root", None)) == _place(saved.get("root"))

    @abstractmethod
    def explanation_methods(self, requested: Sequence[str] | None, layer: str | None) -> Sequence[str]:
        """Return the names of the requested saliency methods, or of the default ones that suit the network.

        Args:
            requested: Names of methods; None for the default ones.
            layer: Path of the layer, for the methods that need one.

        Raises:
            UserError: A requested method needs a feature map, and the network has none, or no such ``layer``.
        """

    def class_index(self, target: str) -> int:
        """Return the index of the class ``target``, which is given by its name or its number.

        Raises:
            UserError: The run knows no such class.
        """
        if target in self.classes:
            return self.classes.index(target)
        if target.isdecimal() and int(target) < len(self.classes):
            return int(target)
        raise UserError(
            f"target={target}: the run knows no such class; choose predicted, label, one of "
            f"{', '.join(self.classes)}, or a number from 0 to {len(self.classes) - 1}"
        )

    @abstractmethod
    def examples_to_explain(self, images: str | None, text: str | None, max_images: int) -> Examples:
        """Return the examples that ``convscope explain`` explains.

        Args:
            images: An image, or a folder of images; None for the run's own test images.
            text: The text, for a run on texts.
            max_images: How many images of a folder, or of the wrong and of the correct test images.

        Raises:
            UserError: They cannot be read.
        """

    @abstractmethod
    def example(self, upload: Any) -> Examples:
        """Return one example, as the app received it: an image (H, W, 3) uint8, or a text.

        Raises:
            UserError: The network reads nothing of it.
        """


def match_classes(source: Source, classes: Sequence[str], data: str) -> Source:
    """Return ``source`` with labels that are indices into ``classes``, matched by name.

    Args:
        source: Images or texts with labels.
        classes: Classes of the run.
        data: Name of the data, for messages.

    Raises:
        UserError: ``source`` has a class that is not in ``classes``.
    """
    unknown = [name for name in source.classes if name not in classes]
    if unknown:
        raise UserError(
            f"data={data}: has classes that the run does not know ({', '.join(unknown)}); "
            f"the run knows {', '.join(classes)}"
        )
    return source.with_classes(tuple(classes), {name: name for name in source.classes})


def _place(root: str | None) -> Path | None:
    return None if root is None else Path(root).expanduser().resolve()
