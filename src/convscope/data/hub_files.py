"""Files of the splits of a folder that `datasets` is to read, where it would not tell them apart."""

import glob
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from convscope.data.images.image_formats import ending_of
from convscope.data.split_names import UNKNOWN_TO_DATASETS, WORDS, split_names

COMPRESSED = {".gz", ".bz2", ".xz", ".zst", ".lz4"}


class _File(NamedTuple):
    """A file, or all files of a folder that have one ending."""

    pattern: str  # as `datasets` takes it
    ending: str
    split: str | None
    name: str  # that of the split, of a file or of a folder above it
    in_folder: bool


def files_of_splits(folder: Path) -> dict[str, list[str]] | None:
    """For each split the patterns of its files in ``folder``, to be given as ``data_files``.

    `datasets` finds files and folders by the same words, but in lower case and by themselves: of Training.parquet and
    Testing.parquet it makes one train split. None where it knows the names, where a data card tells the files, and
    where there are no splits: a train split and another one.
    """
    if _told_by_card(folder):
        return None
    files = list(_files(folder, ""))
    endings = Counter(file.ending for file in files)
    kind = next((ending for ending, _ in endings.most_common(1)), "")  # a few lists or notes are not the set
    files = [file for file in files if file.ending == kind]
    if not all(file.split for file in files):
        files = [file for file in files if file.in_folder]  # images have any names
    found: dict[str, list[str]] = {}
    for file in files:
        if file.split and file.pattern not in (patterns := found.setdefault(file.split, [])):
            patterns.append(file.pattern)
    return found if _told(found) and not all(_known(file.name) for file in files) else None


def _told(splits: Collection[str]) -> bool:
    return "train" in splits and len({*splits}) > 1


def _files(folder: str | Path, above: str) -> Iterator[_File]:
    with os.scandir(folder) as entries:
        visible = sorted((e for e in entries if not e.name.startswith((".", "__"))), key=lambda entry: entry.name)
    names = {entry.name: entry.name if entry.is_dir() else _bare(entry.name) for entry in visible}
    splits = split_names([*dict.fromkeys(names.values())])
    if not _told(splits.values()):
        splits = {}  # a class, or a word in the name of an image
    for entry in visible:
        name, path = names[entry.name], f"{above}{glob.escape(entry.name)}"
        split = splits.get(name)
        if not entry.is_dir():
            yield _File(path, ending_of(entry.name), split, name, in_folder=False)
        elif split is None and not entry.is_symlink():  # a link may lead back up
            yield from _files(entry.path, f"{path}/")
        elif split is not None:
            below = [ending_of(file) for _, _, files in os.walk(entry.path) for file in files]
            yield from (_File(f"{path}/**", ending, split, name, in_folder=True) for ending in below)


def _bare(name: str) -> str:
    """``name`` of a file without its ending and its number: "train-00000-of-00002.parquet", "train_1.csv.gz"."""
    stem, ending = os.path.splitext(name)
    if ending.lower() in COMPRESSED:
        stem = os.path.splitext(stem)[0]
    return re.sub(r"[-_. ]*\d+(-of-\d+)?$", "", stem)


def _known(name: str) -> bool:
    return any(piece in WORDS and piece not in UNKNOWN_TO_DATASETS for piece in re.split(r"[-._ 0-9]+", name))


def _told_by_card(folder: Path) -> bool:
    card = folder / "README.md"
    return (folder / ".huggingface.yaml").exists() or (
        card.is_file() and re.search(r"^configs:", card.read_text("utf-8", "replace"), re.M) is not None
    )
