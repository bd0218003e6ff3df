"""The interface of a modality, images or texts: what a training does differently for the two."""

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from convscope.config.train import TrainConfig
from convscope.config.transfer import StageConfig
from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.images.image_source import ImageSource
from convscope.data.texts.text_data_module import TextDataModule
from convscope.data.texts.text_source import TextSource
from convscope.modalities.built_network import BuiltNetwork
from convscope.modalities.training_observer import TrainingObserver
from convscope.models.weights import Weights
from convscope.runs.run_folder import RunFolder
from convscope.tasks.classification import Classification

SourceT = TypeVar("SourceT", bound=ImageSource | TextSource)
BuiltT = TypeVar("BuiltT", bound=BuiltNetwork)
DataT = TypeVar("DataT", bound=ImageDataModule | TextDataModule)


class Modality(ABC, Generic[SourceT, BuiltT, DataT]):
    """Images or texts: how a network for them is built, fed with data, and trained.

    Attributes:
        noun: What the examples are called in messages: ``images`` or ``texts``.
        task_name: Name of the task, as ``summary.json`` has it.
        task_type: The LightningModule that trains a network.
        observer_type: What logs and analyses a training.
    """

    noun: str
    task_name: str
    task_type: type[Classification]
    observer_type: type[TrainingObserver]

    @abstractmethod
    def weights(self, config: TrainConfig) -> Weights:
        """Find where the network's weights come from.

        Raises:
            UserError: The weights are missing or unreadable.
        """

    @abstractmethod
    def build(self, config: TrainConfig, source: SourceT, weights: Weights) -> BuiltT:
        """Build the network for the examples and classes of ``source``.

        Raises:
            UserError: The weights belong to another network, or it does not suit the settings of the data.
        """

    @abstractmethod
    def data_module(self, config: TrainConfig, source: SourceT, built: BuiltT) -> DataT:
        """Return the data module, which makes the batches of all splits as the network expects them.

        It opens a split when it is set up, or when the split is first used.
        """

    def augmentation(self, stage: StageConfig) -> Any:
        """Return the augmentation of a stage, as the data module takes it; None for texts."""

    def save_artifacts(self, data: DataT, folder: RunFolder) -> None:
        """Write what an evaluation needs besides the weights into the run's folder."""
