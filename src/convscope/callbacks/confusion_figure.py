"""The confusion matrix of a test as a figure, for as many classes as a figure can show."""

from collections.abc import Sequence

import torch

from convscope.figures import classification as figures
from convscope.tracking.recorder import Recorder

MAX_CLASSES = 1000  # a pixel each; the matrix of 10,000 classes would take 800 MB


def draw_confusion_matrix(
    recorder: Recorder, labels: torch.Tensor, predicted: torch.Tensor, classes: Sequence[str], step: int
) -> None:
    """Record the figure ``confusion_matrix``; nothing with more than 1,000 classes (see `confusion_left_out`).

    Args:
        recorder: Takes the figure.
        labels: True classes, (N,) int64.
        predicted: Predicted classes, (N,) int64.
        classes: Names of the classes.
        step: Training step under which the figure is logged.
    """
    count = len(classes)
    if count > MAX_CLASSES:
        return
    counts = torch.zeros(count, count, dtype=torch.int64)
    counts.index_put_((labels, predicted), torch.ones_like(labels), accumulate=True)
    recorder.figure("confusion_matrix", figures.confusion_matrix(counts.numpy(), classes), step)


def confusion_left_out(classes: int) -> str | None:
    """Return a sentence on why the figure is left out; None if it is drawn."""
    if classes <= MAX_CLASSES:
        return None
    return (
        f"no confusion matrix is drawn: {classes:,} classes are more than the {MAX_CLASSES:,} that a figure can show; "
        "tables/predictions.csv has the class and the answer of every test example"
    )
