"""What an evaluation scores: a trained network, and data whose classes it knows."""

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

S = TypeVar("S", ImageSource, TextSource)


@dataclass(frozen=True)
class EvaluationInputs:
    """What is scored, by what, on what; ``things`` is what the examples are called."""

    task: Classification
    data: ImageDataModule | TextDataModule
    hardware: Hardware
    noun: str
    warnings: tuple[str, ...] = ()


def match_classes(source: S, classes: Sequence[str], data: str) -> S:
    """``source`` with its labels as places in ``classes``, by name.

    Raises:
        UserError: It has others.
    """
    unknown = [name for name in source.classes if name not in classes]
    if unknown:
        raise UserError(
            f"data={data}: has classes that the run does not know ({', '.join(unknown)}); "
            f"the run knows {', '.join(classes)}"
        )
    return source.with_classes(tuple(classes), {name: name for name in source.classes})
