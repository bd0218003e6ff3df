"""Labelled data sets of the `datasets` library, of images or texts: from the hub, its local cache or a folder."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from convscope.data.hub_class_names import restore_class_names
from convscope.data.hub_files import files_of_splits
from convscope.data.label_values import class_names, is_number, missing_labels, refuse_lists
from convscope.data.split_names import split_of_name
from convscope.errors import UserError
from convscope.hub import hugging_face_endpoint, offline_mode
from convscope.hub_downloads import hugging_face_fault, hugging_face_reachable, network_errors

if TYPE_CHECKING:
    from datasets import Dataset

LABEL_COLUMNS = ("label", "labels", "class", "fine_label")


def load_hub_set(path: str, subset: str | None, hint: str) -> tuple[Mapping[str, "Dataset"], str]:
    """Return the splits of the data set ``path``, by their names there, and where they are from: "folder" or "hub".

    Args:
        path: A folder, or the name of a data set on the Hugging Face hub.
        subset: Name of the configuration of the data set; None for its default.
        hint: What to do if neither the hub nor the local cache has the data set; ends the message of the error.

    Raises:
        UserError: The data set cannot be loaded. If the hub cannot be reached, this takes only seconds.
    """
    folder = Path(path).expanduser()
    if folder.is_dir():
        return _call_datasets(str(folder), subset, path), "folder"
    if path.startswith((".", "~", os.sep)):
        raise UserError(f"data folder {folder} does not exist: check the path")
    if hugging_face_reachable():
        return _call_datasets(path, subset, path), "hub"
    if in_local_cache(path):
        with _offline():
            return _call_datasets(path, subset, path), "hub"
    reason = (
        "is not used (HF_HUB_OFFLINE or HF_DATASETS_OFFLINE is set)"
        if offline_mode()
        else f"{hugging_face_fault()} (HF_ENDPOINT may name a mirror)"
    )
    raise UserError(
        f"{path} is not in the local cache, and the hub {hugging_face_endpoint()} {reason}: go online, or {hint}"
    )


def _call_datasets(path: str, config: str | None, requested_path: str) -> Mapping[str, "Dataset"]:
    import datasets
    from datasets.exceptions import DatasetsError

    saved = [Path(path) / name for name in ("dataset_dict.json", "state.json")]
    try:
        if any(file.exists() for file in saved):
            loaded = datasets.load_from_disk(path)
        else:
            files = files_of_splits(Path(path)) if Path(path).is_dir() else None
            loaded = datasets.load_dataset(path, name=config, data_files=files)
            if isinstance(loaded, Mapping):
                restore_class_names(loaded, path, config, files)
    except (DatasetsError, OSError, ValueError, RuntimeError, *network_errors()) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        if error.__cause__ is not None and (cause := str(error.__cause__).strip().partition("\n")[0]):
            reason = f"{reason} ({cause})"
        raise UserError(f"{requested_path} cannot be loaded: {reason}") from error
    return loaded if isinstance(loaded, Mapping) else {"train": loaded}


def in_local_cache(path: str) -> bool:
    """Return whether the cache of `datasets` holds ``path``; does not import `datasets`, which would take seconds."""
    if "datasets" in sys.modules:
        cache = Path(sys.modules["datasets"].config.HF_DATASETS_CACHE)
    else:
        home = os.environ.get("XDG_CACHE_HOME", "~/.cache")
        home = os.environ.get("HF_HOME", os.path.join(home, "huggingface"))
        cache = Path(os.environ.get("HF_DATASETS_CACHE", os.path.join(home, "datasets")))
    namespace, _, name = path.rpartition("/")
    folder_name = f"{namespace}___{name}".replace("_", "").lower()  # `datasets` writes CamelCase as camel_case
    cache = cache.expanduser()
    return cache.is_dir() and any(entry.name.replace("_", "").lower() == folder_name for entry in cache.iterdir())


@contextmanager
def _offline() -> Iterator[None]:
    """Keep `datasets` from using the network, and from logging warnings about that."""
    import datasets

    offline, verbosity = datasets.config.HF_HUB_OFFLINE, datasets.logging.get_verbosity()
    datasets.config.HF_HUB_OFFLINE = True
    datasets.logging.set_verbosity_error()
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = offline
        datasets.logging.set_verbosity(verbosity)


def named_splits(loaded: Mapping[str, "Dataset"], path: str) -> tuple[dict[str, "Dataset"], list[str]]:
    """Return the train, validation and test splits of ``loaded`` by these names, and warnings about unused splits.

    A single split is the train split, whatever its name.

    Raises:
        UserError: There is no train split.
    """
    if len(loaded) == 1:
        return {"train": next(iter(loaded.values()))}, []
    datasets: dict[str, Dataset] = {}
    unused = []
    splits = {name: split_of_name(str(name)) for name in loaded}
    for name, split in sorted(splits.items(), key=lambda item: str(item[0]) != item[1]):  # "test" before "eval"
        if split and split not in datasets:
            datasets[split] = loaded[name]
        else:
            unused.append(str(name))
    if "train" not in datasets:
        raise UserError(f"{path} has no train split: it has {', '.join(map(str, loaded))}")
    return datasets, [f"{path}: skipped the splits {', '.join(unused)}"] if unused else []


def labels_of(
    datasets: Mapping[str, "Dataset"], inputs: str, column: str | None, path: str
) -> tuple[tuple[str, ...], dict[str, np.ndarray], list[str]]:
    """Return the classes, the labels (N,) int64 of each labelled split, and warnings about missing labels.

    The classes are those of the train split. The other splits are matched by the names of the classes, whatever their
    numbers there. A row without a label has -1.

    Args:
        datasets: The splits.
        inputs: Name of the column with the images or texts.
        column: Name of the column with the labels; None to find it.
        path: Name of the data set, for messages.

    Raises:
        UserError: One of the columns does not exist, the train split is not labelled, or another split has classes
            that train lacks.
    """
    column = column or _label_column(datasets["train"], path)
    for name in (inputs, column):
        if name not in datasets["train"].column_names:
            columns = ", ".join(datasets["train"].column_names)
            raise UserError(f"{path} has no column '{name}': it has {columns}")
    values = {split: dataset[column][:] for split, dataset in datasets.items() if column in dataset.column_names}
    classes, labels, warnings = _class_labels(datasets, values, column, path)
    for split, dataset in datasets.items():
        if split not in labels:
            warnings.append(f"the {split} split of {path} has no column '{column}', and is not used")
            continue
        missing = int((labels[split] < 0).sum())
        if missing == len(labels[split]):
            del labels[split]
            warnings.append(f"the {split} split of {path} is not labelled, and is not used")
        elif missing:
            warnings.append(missing_labels(missing, len(dataset), split, path))
    if "train" not in labels:
        raise UserError(f"the train split of {path} is not labelled: choose another data.label_column")
    return classes, labels, warnings


def _label_column(dataset: "Dataset", path: str) -> str:
    """Return the name of the column of class labels, found by the type of its feature or by its usual names.

    Raises:
        UserError: There is no such column, or several.
    """
    from datasets import ClassLabel

    columns = [name for name, feature in dataset.features.items() if isinstance(feature, ClassLabel)]
    if not columns:
        columns = [name for name in LABEL_COLUMNS if name in dataset.column_names][:1]
    if len(columns) != 1:
        candidates = "no column" if not columns else f"the columns {', '.join(columns)}"
        all_columns = ", ".join(dataset.column_names)
        raise UserError(f"{path} has {candidates} of class labels (its columns: {all_columns}): set data.label_column")
    return columns[0]


def _class_labels(
    datasets: Mapping[str, "Dataset"], values: Mapping[str, Sequence[object]], column: str, path: str
) -> tuple[tuple[str, ...], dict[str, np.ndarray], list[str]]:
    """Return the classes, the labels (N,) int64 of each split, -1 for a missing one, and the warnings of `class_names`.

    Raises:
        UserError: The column does not hold classes that a classifier can be trained on.
    """
    refuse_lists(values, column, path)
    features = {split: datasets[split].features[column] for split in values}
    feature_names = {split: names for split, feature in features.items() if (names := getattr(feature, "names", None))}
    resolved: dict[str, Sequence[object]] = {}
    for split, split_values in values.items():
        names = feature_names.get(split) or feature_names.get("train")  # numbers without names are those of train
        data_name = f"the {split} split of {path}"
        resolved[split] = (
            split_values if names is None else [_name_of(value, names, data_name) for value in split_values]
        )
    warnings: list[str] = []
    if "train" in feature_names:
        classes = feature_names["train"]
    else:
        names_of_split, warnings = class_names(resolved, column, path)
        classes = _in_order({name for name in names_of_split["train"] if name is not None})
        resolved = dict(names_of_split)
    number: dict[object, int] = {name: label for label, name in enumerate(classes)} | {None: -1}
    unknown = {str(name) for names_of_rows in resolved.values() for name in names_of_rows if name not in number}
    if unknown:
        raise UserError(f"{path} has classes that its train split lacks: {', '.join(sorted(unknown))}")
    if len(classes) == 1:
        raise UserError(f"column '{column}' of {path} has one class, and a classifier needs two or more")
    labels = {
        split: np.array([number[name] for name in names_of_rows], np.int64) for split, names_of_rows in resolved.items()
    }
    return tuple(classes), labels, warnings


def _in_order(names: set[str]) -> list[str]:
    """Return ``names`` sorted: by value if all are numbers, else alphabetically."""
    return sorted(names, key=float) if all(map(is_number, names)) else sorted(names)


def _name_of(value: object, names: Sequence[str], data_name: str) -> object:
    """Return the class name of ``value``, a number or a word; None for a missing label.

    Raises:
        UserError: No class has this number.
    """
    if value is None or value != value:  # NaN
        return None
    if isinstance(value, str):
        return value if value in names else value.strip() or None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    if value >= len(names):
        raise UserError(f"{data_name} has the label {value}, and {len(names)} classes: {', '.join(names)}")
    return None if value < 0 else names[value]
