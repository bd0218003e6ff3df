"""The predictions of a network for a whole split, as a table."""

from collections.abc import Sequence
from typing import Any

from convscope.tasks.classification import Predictions

MAX_PROBABILITY_COLUMNS = 20


def prediction_table(
    predictions: Predictions, names: Sequence[str], classes: Sequence[str], noun: str = "image"
) -> tuple[list[str], list[list[Any]]]:
    """Return the columns and rows of the prediction table.

    The columns are the name of the example, the true class, the predicted class, whether that is correct, and its
    probability; then the probability of each class.

    Args:
        predictions: Predictions for a whole split.
        names: Name of each example of the split.
        classes: Class names in the order of the logits. With more than 20 classes, the probability of each class is
            left out.
        noun: What an example is (``image`` or ``text``): the name of the first column.
    """
    probabilities = predictions.logits.softmax(dim=1)
    confidences, predicted = probabilities.max(dim=1)
    shown = classes if len(classes) <= MAX_PROBABILITY_COLUMNS else ()
    columns = [noun, "label", "prediction", "correct", "probability", *(f"p({c})" for c in shown)]
    rows = [
        [
            names[int(index)],
            classes[int(label)],
            classes[int(prediction)],
            bool(label == prediction),
            round(float(probability), 6),
            *(round(float(p), 6) for p in row[: len(shown)]),
        ]
        for index, label, prediction, probability, row in zip(
            predictions.indices, predictions.labels, predicted, confidences, probabilities, strict=True
        )
    ]
    return columns, rows


def most_confident_mistakes(predictions: Predictions) -> list[int]:
    """Return the row numbers of the table: wrong predictions, most confident first, then correct ones, least first."""
    confidences, predicted = predictions.logits.softmax(dim=1).max(dim=1)
    is_wrong = predicted != predictions.labels
    scores = confidences * is_wrong + (is_wrong.float() - 1) * confidences
    order: list[int] = scores.argsort(descending=True, stable=True).tolist()
    return order
