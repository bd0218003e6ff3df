"""Reads any text classification set of the `datasets` library: from the hub, its local cache, or a folder."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from convscope.data.hub_sets import labels_of, load_hub_set, named_splits
from convscope.data.texts.text_buffer import TextBuffer
from convscope.data.texts.text_source import TextSource, TextSplit, numbered
from convscope.data.texts.text_splits import SplitSettings, split_source
from convscope.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset

TEXT_COLUMNS = ("text", "sentence", "content", "review", "question")
ROWS_PER_BLOCK = 10_000  # texts that are read at once


def text_hub(
    path: str,
    settings: SplitSettings,
    subset: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    name: str = "text_hub",
    hint: str = "set data.path to a folder that holds its parquet files",
    merge_splits: bool = False,
) -> TextSource:
    """Load the data set ``path``.

    Columns that are not given are found by type and name, splits by their names; missing splits are split off from
    train. If the hub cannot be reached, the copy in the local cache of `datasets` is used.

    Args:
        path: A name on the Hugging Face hub, a folder of parquet files, or a folder written by ``save_to_disk``.
        settings: How missing splits are made.
        subset: Name of the configuration of the data set; None for its default.
        text_column: The column of texts.
        label_column: The column of classes.
        name: Name of the source.
        hint: What to do if the set is neither on the hub nor in the cache, for the error message.
        merge_splits: Whether all labelled splits are joined and split anew.

    Raises:
        UserError: The set cannot be loaded (known within seconds if the hub is down), or has no labelled texts.
    """
    loaded_set, source = load_hub_set(path, subset, hint)
    datasets, warnings = named_splits(loaded_set, path)
    text = text_column or _text_column(datasets["train"], path)
    classes, labels, unlabelled = labels_of(datasets, text, label_column, path)
    warnings += unlabelled
    if merge_splits:
        texts = TextBuffer(entry for split in labels for entry in _texts(datasets[split], text))
        pooled = numbered(texts, np.concatenate([labels[split] for split in labels]), name)
        splits = {"train": _labelled(pooled)}
    else:
        splits = _splits(datasets, labels, text)
        missing = [split for split in ("validation", "test") if split not in labels]
        if missing:
            warnings.append(f"{path} has no {' and no '.join(missing)} split: cut from train")
    return split_source(name, source, classes, splits, settings, path, warnings)


def _splits(datasets: Mapping[str, "Dataset"], labels: Mapping[str, np.ndarray], column: str) -> dict[str, TextSplit]:
    return {
        split: _labelled(numbered(TextBuffer(_texts(datasets[split], column)), labels[split], split))
        for split in labels
    }


def _labelled(split: TextSplit) -> TextSplit:
    """Return the texts of ``split`` that have a label."""
    rows = np.flatnonzero(split.labels >= 0)
    return split if len(rows) == len(split) else split.rows(rows)


def _texts(dataset: "Dataset", column: str) -> Iterator[str]:
    """Yield the texts, with one block of them in memory at a time; a missing text is the empty string."""
    for start in range(0, len(dataset), ROWS_PER_BLOCK):
        for text in dataset[start : start + ROWS_PER_BLOCK][column]:
            yield "" if text is None else str(text)


def _text_column(dataset: "Dataset", path: str) -> str:
    dtypes = {name: getattr(feature, "dtype", None) for name, feature in dataset.features.items()}
    columns = [name for name, kind in dtypes.items() if kind in ("string", "large_string")]
    usual_columns = [name for name in TEXT_COLUMNS if name in columns]
    if len(columns) == 1:
        return columns[0]
    if len(usual_columns) != 1:
        text_columns = "no column" if not columns else f"the columns {', '.join(columns)}"
        raise UserError(f"{path} has {text_columns} of texts (its columns: {', '.join(dtypes)}): set data.text_column")
    return usual_columns[0]
