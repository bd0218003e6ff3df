"""The inputs of an evaluation: a trained network, and data whose classes it knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.images.image_source import ImageSource
from convscope.data.texts.text_data_module import TextDataModule
from convscope.data.texts.text_source import TextSource
from convscope.engine.hardware import Hardware
from convscope.errors import UserError
from convscope.tasks.classification import Classification

Source = TypeVar("Source", ImageSource, TextSource)


@dataclass(frozen=True)
class EvaluationInputs:
    """What an evaluation needs.

    Attributes:
        task: The trained network in its LightningModule.
        data: The data to score.
        hardware: The hardware settings.
        noun: What the examples are: ``images`` or ``texts``.
        warnings: Warnings of loading them.
    """

    task: Classification
    data: ImageDataModule | TextDataModule
    hardware: Hardware
    noun: str
    warnings: tuple[str, ...] = ()


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
