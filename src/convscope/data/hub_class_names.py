"""Class names from the files of each split, because `datasets` reads every split with those of the first file."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset

ClassNames = dict[str, tuple[str, ...]]  # for each column of class labels, the names in the order of the labels


def restore_class_names(
    loaded: Mapping[str, "Dataset"], path: str, config: str | None, data_files: Mapping[str, list[str]] | None = None
) -> None:
    """Give the label columns of each split of ``loaded`` the class names that are stored in the files of that split.

    `datasets` keeps the label numbers of Parquet and Arrow files, but takes the class names of all splits from the
    first file. If the files agree, nothing changes: a data card may have better names than the files.

    Args:
        loaded: The splits; the features of their label columns are changed.
        path: A folder; or the name of a data set on the hub, whose files are read from the local cache.
        config: Name of the configuration of the data set.
        data_files: The ``data_files`` that the data set was loaded with.

    Raises:
        UserError: The files of one split number the classes differently.
    """
    folder = Path(path) if Path(path).is_dir() else _cached_files(path)
    files = {} if folder is None else _data_files(folder, config, data_files)
    names = {split: _names_of_split(files[split], split, path) for split in loaded if split in files}
    for column in {column for split_names in names.values() for column in split_names}:
        if len({split_names[column] for split_names in names.values() if column in split_names}) > 1:
            for split, split_names in names.items():
                _rename_classes(loaded[split], column, split_names.get(column))


def _rename_classes(dataset: "Dataset", column: str, names: tuple[str, ...] | None) -> None:
    from datasets import ClassLabel

    if names is not None and isinstance(dataset.features.get(column), ClassLabel):
        dataset.info.features = dataset.features.copy()
        dataset.info.features[column] = ClassLabel(names=list(names))


def _cached_files(repository: str) -> Path | None:
    """Return the folder of the local cache that holds the files of ``repository``; use no network."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, repo_type="dataset", local_files_only=True))
    except (OSError, ValueError):  # not cached, or not a valid repository name
        return None


def _data_files(folder: Path, config: str | None, data_files: Mapping[str, list[str]] | None) -> dict[str, list[Path]]:
    """Return the Parquet and Arrow files of each split of ``folder``."""
    from datasets import load_dataset_builder
    from datasets.exceptions import DatasetsError

    try:
        files = load_dataset_builder(str(folder), name=config, data_files=data_files).config.data_files or {}
    except (DatasetsError, OSError, ValueError):
        return {}
    return {
        str(split): [Path(file) for file in split_files if str(file).endswith((".parquet", ".arrow"))]
        for split, split_files in files.items()
    }


def _names_of_split(files: list[Path], split: str, path: str) -> ClassNames:
    """Return the class names in ``files``; raise UserError if two files number the classes differently."""
    names: ClassNames = {}
    first: dict[str, Path] = {}
    for file in files:
        for column, file_names in _names_in_file(file).items():
            if names.setdefault(column, file_names) != file_names:
                raise UserError(
                    f"{path}: two files of its {split} split number the classes of '{column}' differently, "
                    f"{first[column].name} ({', '.join(names[column])}) and {file.name} ({', '.join(file_names)}): "
                    "write them with the same class names"
                )
            first.setdefault(column, file)
    return names


def _names_in_file(file: Path) -> ClassNames:
    import pyarrow
    from datasets import ClassLabel, Features
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(file) if file.suffix == ".parquet" else _arrow_schema(file)
        features = Features.from_arrow_schema(schema)
    except (pyarrow.ArrowException, OSError, ValueError):
        return {}  # `datasets` has read the file, so that this is no error
    return {name: tuple(feature.names) for name, feature in features.items() if isinstance(feature, ClassLabel)}


def _arrow_schema(file: Path) -> Any:
    import pyarrow

    with pyarrow.OSFile(str(file)) as stream:
        try:
            return pyarrow.ipc.open_stream(stream).schema
        except (OSError, pyarrow.ArrowInvalid):  # not the streaming format, but the random access format
            stream.seek(0)
            return pyarrow.ipc.open_file(stream).schema
