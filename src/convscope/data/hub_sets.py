"""Sets of the `datasets` library, whatever they are of: from the hub, its local cache, or a folder; within seconds."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from convscope.data.hub_class_names import restore_class_names
from convscope.errors import UserError
from convscope.hub import hugging_face_endpoint, hugging_face_reachable, offline_requested

if TYPE_CHECKING:
    from datasets import Dataset

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
LABEL_COLUMNS = ("label", "labels", "class", "fine_label")


def load_hub_set(path: str, config: str | None, instead: str) -> tuple[Mapping[str, "Dataset"], str]:
    """The splits of the set ``path`` as they are named there, and whether they came from a "folder" or the "hub".

    Raises ``UserError``, within seconds where the hub is away, if the set cannot be had; it closes with ``instead``,
    what to do without it.
    """
    folder = Path(path).expanduser()
    if folder.is_dir():
        return _call_datasets(str(folder), config, path), "folder"
    if path.startswith((".", "~", os.sep)):
        raise UserError(f"data folder {folder} does not exist: check the path")
    if hugging_face_reachable():
        return _call_datasets(path, config, path), "hub"
    if in_local_cache(path):
        with _offline():
            return _call_datasets(path, config, path), "hub"
    why = (
        "is not asked (HF_HUB_OFFLINE or HF_DATASETS_OFFLINE is set)"
        if offline_requested()
        else "cannot be reached (HF_ENDPOINT may name a mirror)"
    )
    raise UserError(
        f"{path} is not in the local cache, and the hub {hugging_face_endpoint()} {why}: go online, or {instead}"
    )


def _call_datasets(path: str, config: str | None, said: str) -> Mapping[str, "Dataset"]:
    import datasets
    from datasets.exceptions import DatasetsError

    saved = [Path(path) / name for name in ("dataset_dict.json", "state.json")]
    try:
        if any(file.exists() for file in saved):
            loaded = datasets.load_from_disk(path)
        else:
            loaded = datasets.load_dataset(path, name=config)
            if isinstance(loaded, Mapping):
                restore_class_names(loaded, path, config)
    except (DatasetsError, OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        if error.__cause__ is not None and (cause := str(error.__cause__).strip().partition("\n")[0]):
            reason = f"{reason} ({cause})"
        raise UserError(f"{said} cannot be loaded: {reason}") from error
    return loaded if isinstance(loaded, Mapping) else {"train": loaded}


def in_local_cache(path: str) -> bool:
    """Whether `datasets` has prepared ``path`` before; told without importing it, which takes seconds."""
    if "datasets" in sys.modules:
        cache = Path(sys.modules["datasets"].config.HF_DATASETS_CACHE)
    else:
        home = os.environ.get("XDG_CACHE_HOME", "~/.cache")
        home = os.environ.get("HF_HOME", os.path.join(home, "huggingface"))
        cache = Path(os.environ.get("HF_DATASETS_CACHE", os.path.join(home, "datasets")))
    namespace, _, name = path.rpartition("/")
    wanted = f"{namespace}___{name}".replace("_", "").lower()  # `datasets` writes CamelCase as camel_case
    cache = cache.expanduser()
    return cache.is_dir() and any(entry.name.replace("_", "").lower() == wanted for entry in cache.iterdir())


@contextmanager
def _offline() -> Iterator[None]:
    """`datasets` asks no hub, and does not remark upon it."""
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
    """The splits under our names, and sentences about those that were passed over.

    Raises ``UserError`` where none is the train split.
    """
    if len(loaded) == 1:
        return {"train": next(iter(loaded.values()))}, []
    found: dict[str, Dataset] = {}
    passed_over = []
    for name, dataset in loaded.items():
        split = SPLIT_NAMES.get(str(name).lower(), "")
        if split and split not in found:
            found[split] = dataset
        else:
            passed_over.append(str(name))
    if "train" not in found:
        raise UserError(f"{path} has no train split: it has {', '.join(map(str, loaded))}")
    return found, [f"{path}: passed over the splits {', '.join(passed_over)}"] if passed_over else []


def labels_of(
    found: Mapping[str, "Dataset"], inputs: str, column: str | None, path: str
) -> tuple[tuple[str, ...], dict[str, np.ndarray], list[str]]:
    """The classes, the labels (N,) int64 of each split that has some, and sentences about those that have not.

    ``inputs`` is the column of what is to be classified, ``column`` that of the labels, which is found where it is
    not named. The classes are those of the train split; the others are read by the names of the classes, whatever
    their numbers.

    Raises ``UserError`` where one of the columns is not there, the train split is not labelled, or another one has
    classes that train lacks.
    """
    column = column or _label_column(found["train"], path)
    for name in (inputs, column):
        if name not in found["train"].column_names:
            columns = ", ".join(found["train"].column_names)
            raise UserError(f"{path} has no column '{name}': it has {columns}")
    classes, labels = _class_labels(found, column, path)
    without = [split for split in labels if labels[split].min(initial=0) < 0]
    if "train" in without:
        raise UserError(f"the train split of {path} is not labelled: choose another data.label_column")
    labelled = {split: values for split, values in labels.items() if split not in without}
    return classes, labelled, [f"the {split} split of {path} is not labelled, and is not used" for split in without]


def _label_column(dataset: "Dataset", path: str) -> str:
    """The one column of class labels; by its feature, else by its name.

    Raises ``UserError`` where there is none, or several.
    """
    from datasets import ClassLabel

    columns = [name for name, feature in dataset.features.items() if isinstance(feature, ClassLabel)]
    if not columns:
        columns = [name for name in LABEL_COLUMNS if name in dataset.column_names][:1]
    if len(columns) != 1:
        have = "no column" if not columns else f"the columns {', '.join(columns)}"
        named = ", ".join(dataset.column_names)
        raise UserError(f"{path} has {have} of class labels (its columns: {named}): set data.label_column")
    return columns[0]


def _class_labels(
    found: Mapping[str, "Dataset"], column: str, path: str
) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """The classes, and the labels (N,) int64 of each split; -1 where there is none.

    Raises ``UserError`` where the column holds no classes that a classifier could be trained on.
    """
    values = {split: dataset[column][:] for split, dataset in found.items() if column in dataset.column_names}
    if any(isinstance(value, list | dict) for of_split in values.values() for value in of_split):
        raise UserError(f"column '{column}' of {path} holds lists, and a classifier needs one label each")
    named = {split: names for split in values if (names := getattr(found[split].features[column], "names", None))}
    for split, of_split in values.items():
        names = named.get(split) or named.get("train")  # numbers without names are those of train
        if names is not None:
            values[split] = [_name_of(value, names, f"the {split} split of {path}") for value in of_split]
    classes = named.get("train") or sorted({value for value in values["train"] if value is not None})
    number = {value: label for label, value in enumerate(classes)}
    unknown = {str(value) for split in values.values() for value in split if value is not None and value not in number}
    if unknown:
        raise UserError(f"{path} has classes that its train split lacks: {', '.join(sorted(unknown))}")
    if len(classes) < 2:
        raise UserError(f"column '{column}' of {path} has one class, and a classifier needs two or more")
    labels = {split: [number.get(value, -1) for value in of_split] for split, of_split in values.items()}
    return tuple(map(str, classes)), {split: np.array(label, dtype=np.int64) for split, label in labels.items()}


def _name_of(value: object, names: Sequence[str], where: str) -> object:
    """The class of a number; None where there is none, and what is no whole number as it is.

    Raises ``UserError`` where no class has this number.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    if value >= len(names):
        raise UserError(f"{where} has the label {value}, and {len(names)} classes: {', '.join(names)}")
    return None if value < 0 else names[value]
