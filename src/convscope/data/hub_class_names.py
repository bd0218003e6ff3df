"""Class names as the files of each split spell them; `datasets` reads every split with the names of the first file."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset

ClassNames = dict[str, tuple[str, ...]]  # of each column of class labels


def restore_class_names(
    loaded: Mapping[str, "Dataset"], path: str, config: str | None, given: Mapping[str, list[str]] | None = None
) -> None:
    """Give the label columns of each split of ``loaded`` the class names that stand in that split's own files.

    `datasets` keeps the numbers of Parquet and Arrow files, but takes the names from the first file of all. Where the
    files agree, nothing changes: a data card may name the classes better than they do. ``path`` is a folder, or a
    set of the hub, of which the files in the local cache are read. ``given`` is the ``data_files`` it was loaded with.

    Raises:
        UserError: The files of one split number the classes differently.
    """
    folder = Path(path) if Path(path).is_dir() else _cached_files(path)
    files = {} if folder is None else _data_files(folder, config, given)
    names = {split: _names_of_split(files[split], split, path) for split in loaded if split in files}
    for column in {column for of_split in names.values() for column in of_split}:
        if len({of_split[column] for of_split in names.values() if column in of_split}) > 1:
            for split, of_split in names.items():
                _rename_classes(loaded[split], column, of_split.get(column))


def _rename_classes(dataset: "Dataset", column: str, names: tuple[str, ...] | None) -> None:
    from datasets import ClassLabel

    if names is not None and isinstance(dataset.features.get(column), ClassLabel):
        dataset.info.features = dataset.features.copy()
        dataset.info.features[column] = ClassLabel(names=list(names))


def _cached_files(repository: str) -> Path | None:
    """The folder of the local cache that holds files of ``repository``; no network is used."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, repo_type="dataset", local_files_only=True))
    except (OSError, ValueError):  # not cached, or no name of a repository
        return None


def _data_files(folder: Path, config: str | None, given: Mapping[str, list[str]] | None) -> dict[str, list[Path]]:
    """The Parquet and Arrow files of each split."""
    from datasets import load_dataset_builder
    from datasets.exceptions import DatasetsError

    try:
        files = load_dataset_builder(str(folder), name=config, data_files=given).config.data_files or {}
    except (DatasetsError, OSError, ValueError):
        return {}
    return {
        str(split): [Path(file) for file in of_split if str(file).endswith((".parquet", ".arrow"))]
        for split, of_split in files.items()
    }


def _names_of_split(files: list[Path], split: str, path: str) -> ClassNames:
    names: ClassNames = {}
    first: dict[str, Path] = {}
    for file in files:
        for column, of_file in _names_in_file(file).items():
            if names.setdefault(column, of_file) != of_file:
                raise UserError(
                    f"{path}: two files of its {split} split number the classes of '{column}' differently, "
                    f"{first[column].name} ({', '.join(names[column])}) and {file.name} ({', '.join(of_file)}): "
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
        return {}  # whatever is wrong with it, `datasets` has read it
    return {name: tuple(feature.names) for name, feature in features.items() if isinstance(feature, ClassLabel)}


def _arrow_schema(file: Path) -> Any:
    import pyarrow

    with pyarrow.OSFile(str(file)) as stream:
        try:
            return pyarrow.ipc.open_stream(stream).schema
        except (OSError, pyarrow.ArrowInvalid):  # the format with random access
            stream.seek(0)
            return pyarrow.ipc.open_file(stream).schema
