"""Any text classification set that the `datasets` library reads: from the hub, its local cache, or a folder."""

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
READ_AT_ONCE = 10_000  # texts


def text_hub(
    path: str,
    cutting: SplitSettings,
    config: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    name: str = "text_hub",
    instead: str = "set data.path to a folder that holds its parquet files",
    pool: bool = False,
) -> TextSource:
    """The set ``path``: a name on the Hugging Face hub, a folder of parquet files, or one of ``save_to_disk``.

    Columns that are not named are found by type and name, splits by their names; those that are missing are cut
    from train. Without the hub, the copy in the local cache of `datasets` is used.

    Args:
        path: The set.
        cutting: How missing splits are made.
        config: The set's configuration, where it has several.
        text_column: The column of texts.
        label_column: The column of classes.
        name: What the source is called.
        instead: What to do without the hub and without a copy.
        pool: Put all labelled splits together before cutting.

    Raises:
        UserError: The set cannot be had (within seconds where the hub is away), or is not one of labelled texts.
    """
    loaded, source = load_hub_set(path, config, instead)
    found, warnings = named_splits(loaded, path)
    text = text_column or _text_column(found["train"], path)
    classes, labels, unlabelled = labels_of(found, text, label_column, path)
    warnings += unlabelled
    if pool:
        texts = TextBuffer(each for split in labels for each in _texts(found[split], text))
        pooled = numbered(texts, np.concatenate([labels[split] for split in labels]), name)
        splits = {"train": _labelled(pooled)}
    else:
        splits = _splits(found, labels, text)
        missing = [split for split in ("validation", "test") if split not in labels]
        if missing:
            warnings.append(f"{path} has no {' and no '.join(missing)} split: cut from train")
    return split_source(name, source, classes, splits, cutting, path, warnings)


def _splits(found: Mapping[str, "Dataset"], labels: Mapping[str, np.ndarray], column: str) -> dict[str, TextSplit]:
    return {
        split: _labelled(numbered(TextBuffer(_texts(found[split], column)), labels[split], split)) for split in labels
    }


def _labelled(split: TextSplit) -> TextSplit:
    """The texts of ``split`` that have a label."""
    rows = np.flatnonzero(split.labels >= 0)
    return split if len(rows) == len(split) else split.rows(rows)


def _texts(dataset: "Dataset", column: str) -> Iterator[str]:
    """The texts, a block of them in memory at a time; nothing where a text is missing."""
    for start in range(0, len(dataset), READ_AT_ONCE):
        for text in dataset[start : start + READ_AT_ONCE][column]:
            yield "" if text is None else str(text)


def _text_column(dataset: "Dataset", path: str) -> str:
    kinds = {name: getattr(feature, "dtype", None) for name, feature in dataset.features.items()}
    columns = [name for name, kind in kinds.items() if kind in ("string", "large_string")]
    known = [name for name in TEXT_COLUMNS if name in columns]
    if len(columns) == 1:
        return columns[0]
    if len(known) != 1:
        have = "no column" if not columns else f"the columns {', '.join(columns)}"
        raise UserError(f"{path} has {have} of texts (its columns: {', '.join(kinds)}): set data.text_column")
    return known[0]
