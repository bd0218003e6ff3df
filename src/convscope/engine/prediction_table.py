"""The answers of a network to a split of images, as a table that a person can sort."""

from collections.abc import Sequence
from typing import Any

from convscope.tasks.classification import Predictions

MOST_PROBABILITY_COLUMNS = 20


def prediction_table(
    predictions: Predictions, names: Sequence[str], classes: Sequence[str], thing: str = "image"
) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows: the example, true class, predicted class, whether right, its probability; then each class's.

    Args:
        predictions: Of a whole split.
        names: What each example of the split is called.
        classes: In the order of the logits; with more than 20 their probabilities are left out.
        thing: What an example is: the name of the first column.
    """
    probabilities = predictions.logits.softmax(dim=1)
    best, predicted = probabilities.max(dim=1)
    shown = classes if len(classes) <= MOST_PROBABILITY_COLUMNS else ()
    columns = [thing, "label", "prediction", "correct", "probability", *(f"p({c})" for c in shown)]
    rows = [
        [
            names[int(index)],
            classes[int(label)],
            classes[int(answer)],
            bool(label == answer),
            round(float(probability), 6),
            *(round(float(p), 6) for p in row[: len(shown)]),
        ]
        for index, label, answer, probability, row in zip(
            predictions.indices, predictions.labels, predicted, best, probabilities, strict=True
        )
    ]
    return columns, rows


def most_confident_mistakes(predictions: Predictions) -> list[int]:
    """Rows of the table, the surest of the wrong answers first, then the right ones, the least sure first."""
    sure, predicted = predictions.logits.softmax(dim=1).max(dim=1)
    wrong = predicted != predictions.labels
    order: list[int] = (sure * wrong + (wrong.float() - 1) * sure).argsort(descending=True, stable=True).tolist()
    return order
