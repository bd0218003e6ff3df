"""Sets of the `datasets` library, whatever they are of: from the hub, its local cache, or a folder; within seconds."""

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
from convscope.hub import hugging_face_endpoint, offline_requested
from convscope.hub_downloads import hugging_face_fault, hugging_face_reachable, network_errors

if TYPE_CHECKING:
    from datasets import Dataset

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
        else f"{hugging_face_fault()} (HF_ENDPOINT may name a mirror)"
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
            files = files_of_splits(Path(path)) if Path(path).is_dir() else None
            loaded = datasets.load_dataset(path, name=config, data_files=files)
            if isinstance(loaded, Mapping):
                restore_class_names(loaded, path, config, files)
    except (DatasetsError, OSError, ValueError, RuntimeError, *network_errors()) as error:
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
    splits = {name: split_of_name(str(name)) for name in loaded}
    for name, split in sorted(splits.items(), key=lambda item: str(item[0]) != item[1]):  # "test" before "eval"
        if split and split not in found:
            found[split] = loaded[name]
        else:
            passed_over.append(str(name))
    if "train" not in found:
        raise UserError(f"{path} has no train split: it has {', '.join(map(str, loaded))}")
    return found, [f"{path}: passed over the splits {', '.join(passed_over)}"] if passed_over else []


def labels_of(
    found: Mapping[str, "Dataset"], inputs: str, column: str | None, path: str
) -> tuple[tuple[str, ...], dict[str, np.ndarray], list[str]]:
    """The classes, the labels (N,) int64 of each split that has some, and sentences about what has none.

    ``inputs`` is the column of what is to be classified, ``column`` that of the labels, which is found where it is
    not named. The classes are those of the train split; the others are read by the names of the classes, whatever
    their numbers. A row without a label has -1.

    Raises ``UserError`` where one of the columns is not there, the train split is not labelled, or another one has
    classes that train lacks.
    """
    column = column or _label_column(found["train"], path)
    for name in (inputs, column):
        if name not in found["train"].column_names:
            columns = ", ".join(found["train"].column_names)
            raise UserError(f"{path} has no column '{name}': it has {columns}")
    values = {split: dataset[column][:] for split, dataset in found.items() if column in dataset.column_names}
    classes, labels, warnings = _class_labels(found, values, column, path)
    for split, dataset in found.items():
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
    found: Mapping[str, "Dataset"], values: Mapping[str, Sequence[object]], column: str, path: str
) -> tuple[tuple[str, ...], dict[str, np.ndarray], list[str]]:
    """The classes, the labels (N,) int64 of each split, -1 where there is none, and sentences of ``class_names``.

    Raises ``UserError`` where the column holds no classes that a classifier could be trained on.
    """
    refuse_lists(values, column, path)
    features = {split: found[split].features[column] for split in values}
    named = {split: names for split, feature in features.items() if (names := getattr(feature, "names", None))}
    resolved: dict[str, Sequence[object]] = {}
    for split, of_split in values.items():
        names = named.get(split) or named.get("train")  # numbers without names are those of train
        where = f"the {split} split of {path}"
        resolved[split] = of_split if names is None else [_name_of(value, names, where) for value in of_split]
    warnings: list[str] = []
    if "train" in named:
        classes = named["train"]
    else:
        of_class, warnings = class_names(resolved, column, path)
        classes = _in_order({name for name in of_class["train"] if name is not None})
        resolved = dict(of_class)
    number: dict[object, int] = {name: label for label, name in enumerate(classes)} | {None: -1}
    unknown = {str(name) for of_split in resolved.values() for name in of_split if name not in number}
    if unknown:
        raise UserError(f"{path} has classes that its train split lacks: {', '.join(sorted(unknown))}")
    if len(classes) == 1:
        raise UserError(f"column '{column}' of {path} has one class, and a classifier needs two or more")
    labels = {split: np.array([number[name] for name in of_split], np.int64) for split, of_split in resolved.items()}
    return tuple(classes), labels, warnings


def _in_order(names: set[str]) -> list[str]:
    """Numbers by their size, words by the alphabet."""
    return sorted(names, key=float) if all(map(is_number, names)) else sorted(names)


def _name_of(value: object, names: Sequence[str], where: str) -> object:
    """The class of ``value``, a number or a word; None where there is none.

    Raises ``UserError`` where no class has this number.
    """
    if value is None or value != value:  # not a number
        return None
    if isinstance(value, str):
        return value if value in names else value.strip() or None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    if value >= len(names):
        raise UserError(f"{where} has the label {value}, and {len(names)} classes: {', '.join(names)}")
    return None if value < 0 else names[value]
