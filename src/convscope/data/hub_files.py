"""Data files of the splits of a folder that `datasets` would not tell apart by itself."""

import glob
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from convscope.data.images.image_formats import file_extension
from convscope.data.split_names import SPLIT_OF_WORD, UNKNOWN_TO_DATASETS, split_names

COMPRESSED = {".gz", ".bz2", ".xz", ".zst", ".lz4"}


class _File(NamedTuple):
    """A file, or a file inside the folder of a split."""

    pattern: str  # for the ``data_files`` of `datasets`: the file's, or that of all files in the folder of the split
    ending: str
    split: str | None
    name: str  # what may name the split: the file name without ending and number, or the folder name
    in_folder: bool  # whether it is inside the folder of a split


def files_of_splits(folder: Path) -> dict[str, list[str]] | None:
    """Return the patterns of the files of each split in ``folder``, for the ``data_files`` of `datasets`; or None.

    `datasets` recognises splits by the same words as this package (without "trn" and "tst"), but only if they are lower
    case words of their own: it makes a single train split of Training.parquet and Testing.parquet.

    Returns:
        None if `datasets` recognises the names itself, if the data card lists the files, or if the names are not
        those of splits: a train split and at least one other.
    """
    if _card_lists_files(folder):
        return None
    files = list(_files(folder, ""))
    endings = Counter(file.ending for file in files)
    data_ending = next((ending for ending, _ in endings.most_common(1)), "")  # the few other files are lists or notes
    files = [file for file in files if file.ending == data_ending]
    if not all(file.split for file in files):
        files = [file for file in files if file.in_folder]  # images may have any names
    split_patterns: dict[str, list[str]] = {}
    for file in files:
        if file.split and file.pattern not in (patterns := split_patterns.setdefault(file.split, [])):
            patterns.append(file.pattern)
    if not _has_train_and_another(split_patterns) or all(_known_to_datasets(file.name) for file in files):
        return None
    return split_patterns


def _has_train_and_another(splits: Collection[str]) -> bool:
    return "train" in splits and len({*splits}) > 1


def _files(folder: str | Path, above: str) -> Iterator[_File]:
    """Yield the files below ``folder``; ``above`` is the start of their patterns, the path of ``folder``."""
    with os.scandir(folder) as entries:
        visible = sorted((e for e in entries if not e.name.startswith((".", "__"))), key=lambda entry: entry.name)
    names = {entry.name: entry.name if entry.is_dir() else _bare(entry.name) for entry in visible}
    splits = split_names([*dict.fromkeys(names.values())])
    if not _has_train_and_another(splits.values()):
        splits = {}  # the name of a class, or a word in the name of an image
    for entry in visible:
        name, path = names[entry.name], f"{above}{glob.escape(entry.name)}"
        split = splits.get(name)
        if not entry.is_dir():
            yield _File(path, file_extension(entry.name), split, name, in_folder=False)
        elif split is None and not entry.is_symlink():  # a link may lead back up
            yield from _files(entry.path, f"{path}/")
        elif split is not None:
            endings = [file_extension(file) for _, _, files in os.walk(entry.path) for file in files]
            yield from (_File(f"{path}/**", ending, split, name, in_folder=True) for ending in endings)


def _bare(name: str) -> str:
    """Return the file name without its ending and number: "train" of train-00000-of-00002.parquet or train_1.csv.gz."""
    stem, ending = os.path.splitext(name)
    if ending.lower() in COMPRESSED:
        stem = os.path.splitext(stem)[0]
    return re.sub(r"[-_. ]*\d+(-of-\d+)?$", "", stem)


def _known_to_datasets(name: str) -> bool:
    """Return whether `datasets` recognises the split that ``name`` stands for."""
    return any(piece in SPLIT_OF_WORD and piece not in UNKNOWN_TO_DATASETS for piece in re.split(r"[-._ 0-9]+", name))


def _card_lists_files(folder: Path) -> bool:
    card = folder / "README.md"
    return (folder / ".huggingface.yaml").exists() or (
        card.is_file() and re.search(r"^configs:", card.read_text("utf-8", "replace"), re.M) is not None
    )
