"""A few examples of each class: of the training examples as a figure or a table, and of those to analyse."""

from collections.abc import Sequence

import numpy as np

from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.texts.text_source import TextSource
from convscope.figures.contact_sheet import Tile, contact_sheet
from convscope.tracking.recorder import Recorder

NAME = "data/samples"
MAX_CLASSES = 10
IMAGES_PER_CLASS = 6
MAX_SIDE, SHEET_HEIGHT = 128, 768  # pixels of an image, and of all rows together: a sheet that fits a screen
TEXTS_PER_CLASS = 4


def log_image_samples(recorder: Recorder, data: ImageDataModule) -> None:
    """Log a sheet with a row for each class: its first training images.

    They are shown as they are stored: resized, not augmented, not normalised.
    """
    store = data.store("train")
    rows = []
    for label, indices in balanced_examples(store.labels, IMAGES_PER_CLASS):
        rows.append([Tile(store.image(index), data.classes[label] if not place else "") for place, index in indices])
    more = len(data.classes) - len(rows)
    heading = f"training images{f'; {more} more classes' if more > 0 else ''}"
    side = min(MAX_SIDE, SHEET_HEIGHT // len(rows))
    recorder.image(NAME, contact_sheet(rows, heading=heading, side=side), 0)


def log_text_samples(recorder: Recorder, source: TextSource) -> None:
    """Log a table of the first training texts of each class."""
    train = source.splits["train"]
    rows = [
        [source.classes[label], train.texts[index]]
        for label, indices in balanced_examples(np.asarray(train.labels), TEXTS_PER_CLASS)
        for _, index in indices
    ]
    recorder.table(NAME, ("class", "text"), rows, 0)


def balanced_examples(labels: np.ndarray, per_class: int) -> Sequence[tuple[int, list[tuple[int, int]]]]:
    """Return the first examples of each class, of at most `MAX_CLASSES` classes.

    Returns:
        Each label with its examples, as pairs of a number from 0 and the index of the example.
    """
    present = np.unique(labels)[:MAX_CLASSES].tolist()
    return [(label, list(enumerate(np.flatnonzero(labels == label)[:per_class].tolist()))) for label in present]


def balanced_indices(labels: np.ndarray, count: int) -> list[int]:
    """Return at most ``count`` indices, taken from the classes in turn, sorted by class and then by index."""
    groups = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
    alternating = [group[turn] for turn in range(max(map(len, groups))) for group in groups if turn < len(group)]
    return sorted(alternating[:count], key=lambda index: (labels[index], index))
