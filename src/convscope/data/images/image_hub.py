"""Any image classification set that the `datasets` library reads: from the hub, its local cache, or a folder."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from convscope.data.hub_sets import labels_of, load_hub_set, named_splits
from convscope.data.images.decoding import DECODER_VERSION, decode_image
from convscope.data.images.image_source import SPLITS, BadImageError, ImageSource, ImageSplit, content_key
from convscope.data.stratification import make_missing_splits
from convscope.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset


class HubSplit(ImageSplit):
    """Some rows of a `datasets.Dataset`; images are decoded one by one, as they are asked for."""

    def __init__(self, dataset: "Dataset", column: str, rows: np.ndarray, labels: np.ndarray, name: str) -> None:
        from datasets import Image

        self.labels = labels[rows]
        self.names = [f"{name}/{row}" for row in rows.tolist()]
        self.key = content_key("hub", DECODER_VERSION, name, dataset._fingerprint, column, rows)
        self._rows = rows
        self._encoded = dataset.select_columns([column]).cast_column(column, Image(decode=False))
        self._column = column

    def read(self, index: int, min_size: int | None = None) -> np.ndarray:
        """Image ``index``, (H, W, 3) uint8; ``BadImageError`` where it cannot be decoded."""
        encoded = self._encoded[int(self._rows[index])][self._column]
        name = self.names[index]
        if encoded is None or (encoded["bytes"] is None and encoded["path"] is None):
            raise BadImageError(name, "the data set holds no image there")
        data = encoded["bytes"]
        return decode_image(Path(encoded["path"]) if data is None else data, name, min_size)


def image_hub(
    path: str,
    config: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    seed: int = 0,
    validation: float | int = 0.15,
    test: float | int = 0.15,
    name: str = "image_hub",
    instead: str = "set data.path to a folder that holds its parquet files",
) -> ImageSource:
    """The set ``path``: a name on the Hugging Face hub, a folder of parquet files, or one of ``save_to_disk``.

    Columns that are not named are found by the type of their feature, splits by their names; a validation
    or test split that is missing is cut from train (a share, or a number of images), stratified, a
    function of ``seed``. Without the hub, the copy in the local cache of `datasets` is used. ``instead`` is
    what to do without either.

    Raises ``UserError`` where the set cannot be had (within seconds where the hub is away), or is not one of
    labelled images.
    """
    loaded, source = load_hub_set(path, config, instead)
    found, warnings = named_splits(loaded, path)
    image = image_column or _image_column(found["train"], path)
    classes, labels, unlabelled = labels_of(found, image, label_column, path)
    warnings += unlabelled
    missing = {split: part for split, part in (("validation", validation), ("test", test)) if split not in labels}
    if missing:
        warnings.append(f"{path} has no {' and no '.join(missing)} split: cut from train")
    labelled = {split: np.flatnonzero(of_split >= 0) for split, of_split in labels.items()}
    cut = make_missing_splits(labels["train"][labelled["train"]], labels, missing, seed, classes=classes, where=path)
    splits = {}
    for split in SPLITS:
        origin = "train" if split in cut else split
        rows = labelled["train"][cut[split]] if split in cut else labelled[split]
        splits[split] = HubSplit(found[origin], image, rows, labels[origin], origin)
    return ImageSource(name, source, classes, 3, splits, tuple(warnings))


def _image_column(dataset: "Dataset", path: str) -> str:
    from datasets import Image

    columns = [name for name, feature in dataset.features.items() if isinstance(feature, Image)]
    if len(columns) != 1:
        have = "no column" if not columns else f"the columns {', '.join(columns)}"
        named = ", ".join(dataset.column_names)
        raise UserError(f"{path} has {have} of images (its columns: {named}): set data.image_column")
    return columns[0]
