"""Image classification data sets of the `datasets` library: from the hub, its local cache, or a folder."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from typing_extensions import override

from convscope.data.hub_sets import labels_of, load_hub_set, named_splits
from convscope.data.images.decoding import DECODER_VERSION, decode_image
from convscope.data.images.image_source import SPLITS, BadImageError, ImageSource, ImageSplit, content_key
from convscope.data.stratification import make_missing_splits
from convscope.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset


class HubSplit(ImageSplit):
    """Some rows of a `datasets.Dataset`. An image is decoded when it is read.

    Args:
        dataset: The data set.
        column: Name of its column of images.
        rows: The rows (N,) of the split.
        labels: The labels of all rows of the data set.
        name: Name of the split; the image in row r is called ``<name>/r``.
    """

    def __init__(self, dataset: "Dataset", column: str, rows: np.ndarray, labels: np.ndarray, name: str) -> None:
        from datasets import Image

        self.labels = labels[rows]
        self.names = [f"{name}/{row}" for row in rows.tolist()]
        self.key = content_key("hub", DECODER_VERSION, name, dataset._fingerprint, column, rows)
        self._rows = rows
        self._encoded = dataset.select_columns([column]).cast_column(column, Image(decode=False))
        self._column = column

    @override
    def read(self, index: int, min_size: int | None = None) -> np.ndarray:
        encoded = self._encoded[int(self._rows[index])][self._column]
        name = self.names[index]
        if encoded is None or (encoded["bytes"] is None and encoded["path"] is None):
            raise BadImageError(name, "the data set holds no image there")
        data = encoded["bytes"]
        return decode_image(Path(encoded["path"]) if data is None else data, name, min_size)


def image_hub(
    path: str,
    *,
    subset: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    seed: int = 0,
    validation: float | int = 0.15,
    test: float | int = 0.15,
    name: str = "image_hub",
    hint: str = "set data.path to a folder that holds its parquet files",
) -> ImageSource:
    """Return an image data set of the Hugging Face hub or in one of its formats.

    Splits are recognised by their names. If the hub cannot be reached, the copy in the local cache of `datasets` is
    used.

    Args:
        path: A name on the Hugging Face hub, a folder of parquet files, or a folder written by ``save_to_disk``.
        subset: Name of the configuration of the data set; None for its default.
        image_column: Name of the column of images; None to find it by the type of its feature.
        label_column: Name of the column of labels; None to find it by the type of its feature or its usual names.
        seed: Determines which images are cut for which split.
        validation: How much of train is cut for a missing validation split, stratified: a share (a float) or a number
            of images (an int).
        test: How much of train is cut for a missing test split, in the same way.
        name: Name of the data set.
        hint: What to do if neither the hub nor the local cache has the data set; ends the message of the error.

    Raises:
        UserError: The data set cannot be loaded (if the hub cannot be reached, this takes only seconds), or is not one
            of labelled images.
    """
    loaded, source = load_hub_set(path, subset, hint)
    datasets, warnings = named_splits(loaded, path)
    image = image_column or _image_column(datasets["train"], path)
    classes, labels, label_warnings = labels_of(datasets, image, label_column, path)
    warnings += label_warnings
    missing = {split: part for split, part in (("validation", validation), ("test", test)) if split not in labels}
    if missing:
        warnings.append(f"{path} has no {' and no '.join(missing)} split: cut from train")
    labelled = {split: np.flatnonzero(split_labels >= 0) for split, split_labels in labels.items()}
    rows_of_splits = make_missing_splits(
        labels["train"][labelled["train"]], labels, missing, seed, classes=classes, data_name=path
    )
    splits = {}
    for split in SPLITS:
        origin = "train" if split in rows_of_splits else split
        rows = labelled["train"][rows_of_splits[split]] if split in rows_of_splits else labelled[split]
        splits[split] = HubSplit(datasets[origin], image, rows, labels[origin], origin)
    return ImageSource(name, source, classes, 3, splits, tuple(warnings))


def _image_column(dataset: "Dataset", path: str) -> str:
    """Return the name of the column of images; raise UserError if there is none, or several."""
    from datasets import Image

    columns = [name for name, feature in dataset.features.items() if isinstance(feature, Image)]
    if len(columns) != 1:
        candidates = "no column" if not columns else f"the columns {', '.join(columns)}"
        all_columns = ", ".join(dataset.column_names)
        raise UserError(f"{path} has {candidates} of images (its columns: {all_columns}): set data.image_column")
    return columns[0]
