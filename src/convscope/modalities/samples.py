"""A few training examples of each class: what the network learns from, as a figure or as a table."""

from collections.abc import Sequence

import numpy as np

from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.texts.text_source import TextSource
from convscope.figures.contact_sheet import Tile, contact_sheet
from convscope.tracking.recorder import Recorder

NAME = "data/samples"
MOST_CLASSES = 10
OF_A_CLASS = 6
LARGEST_SIDE, HEIGHT = 128, 768  # pixels of an image, and of all rows together: a sheet that fits a screen
TEXTS_OF_A_CLASS = 4


def show_images(recorder: Recorder, data: ImageDataModule) -> None:
    """A row a class, its first training images as they are kept: resized, not augmented, not normalised."""
    store = data.store("train")
    rows = []
    for label, indices in balanced_examples(store.labels, OF_A_CLASS):
        rows.append([Tile(store.image(index), data.classes[label] if not place else "") for place, index in indices])
    more = len(data.classes) - len(rows)
    heading = f"training images{f'; {more} more classes' if more > 0 else ''}"
    side = min(LARGEST_SIDE, HEIGHT // len(rows))
    recorder.image(NAME, contact_sheet(rows, heading=heading, side=side), 0)


def show_texts(recorder: Recorder, source: TextSource) -> None:
    """A table of the first training texts of each class."""
    train = source.splits["train"]
    rows = [
        [source.classes[label], train.texts[index]]
        for label, indices in balanced_examples(np.asarray(train.labels), TEXTS_OF_A_CLASS)
        for _, index in indices
    ]
    recorder.table(NAME, ("class", "text"), rows, 0)


def balanced_examples(labels: np.ndarray, most: int) -> Sequence[tuple[int, list[tuple[int, int]]]]:
    """Label, and (0, 1, ..., index) of its first examples."""
    known = np.unique(labels)[:MOST_CLASSES].tolist()
    return [(label, list(enumerate(np.flatnonzero(labels == label)[:most].tolist()))) for label in known]
