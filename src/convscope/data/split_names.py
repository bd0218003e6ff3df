"""Recognises train, validation and test splits by the names of files, folders and hub data sets."""

import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from convscope.errors import UserError

UNKNOWN_TO_DATASETS = {"trn", "tst"}  # `datasets` knows the other words (datasets.data_files, SPLIT_KEYWORDS)
SPLIT_OF_WORD = {
    "train": "train",
    "trn": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "tst": "test",
    "eval": "test",
    "evaluation": "test",
}
NAME = re.compile(
    rf"({'|'.join(SPLIT_OF_WORD)})(?:[\s_-]*(?:set|split|data|images?|imgs?|pictures|photos|texts|files))?", re.I
)


def split_of_name(name: str) -> str | None:
    """Return the split, "train", "validation" or "test", that ``name`` stands for ("Training", "test_set"), or None."""
    match = NAME.fullmatch(name.strip())
    return SPLIT_OF_WORD[match[1].lower()] if match else None


def split_names(names: Collection[str]) -> dict[str, str]:
    """Return the split of each of ``names`` that stands for one.

    A name may stand for a split by itself ("Training"), or together with others: seg_train and seg_test, "data.trn"
    and "data.tst". A word inside a longer name counts only if the rest of the name is the same for several splits, one
    of which is train.
    """
    single_names = {name: split for name in names if (split := split_of_name(name))}
    groups: dict[tuple[str, str], dict[str, str]] = {}
    for name in names:
        for rest, split in _words_in(name):
            groups.setdefault(rest, {})[name] = split
    split_groups = [group for group in groups.values() if "train" in group.values() and len({*group.values()}) > 1]
    return max([single_names, *split_groups], key=len)


def _words_in(name: str) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield, for each word in ``name`` that stands for a split, the texts before and after it, and the split."""
    pieces = re.split(r"([\s\d._-]+)", name.strip().lower())
    for position, piece in enumerate(pieces):
        if piece in SPLIT_OF_WORD:
            yield ("".join(pieces[:position]), "".join(pieces[position + 1 :])), SPLIT_OF_WORD[piece]


def split_folders(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """Return the folder of each split among the subfolders ``names`` of ``folder``; empty if these are the classes.

    If all subfolders are named like splits (see `split_names`), they are the splits. If only some are, these are the
    splits under one of two conditions: one of them is the train split, and one of them holds folders; or there are
    several of them, and one is the train split or holds folders. So beside the classes bus and car, a single folder
    train that holds no folders is a class too.

    Raises:
        UserError: Two folders are named for one split.
    """
    split_of_folder = split_names(names)
    if len(split_of_folder) < len(names):
        has_train = "train" in split_of_folder.values()
        nested = any(_has_folders(folder / name) for name in split_of_folder)
        if not ((has_train and nested) or (len(split_of_folder) > 1 and (has_train or nested))):
            return {}
    splits: dict[str, Path] = {}
    for name, split in split_of_folder.items():
        if split in splits:
            raise UserError(f"{folder} has two folders for {split}, {splits[split].name} and {name}: remove one")
        splits[split] = _unpacked(folder / name)
    return splits


def classes_like_splits(folder: Path, classes: Sequence[str]) -> list[str]:
    """Return a warning if some of ``classes``, subfolders of ``folder``, may be meant as splits; else an empty list.

    These are classes called train, test1 and the like; and if the names of the classes have words for several splits,
    all classes with such a word.
    """
    splits_in_name = {name: {split for _, split in _words_in(name)} for name in classes}
    several = len(set().union(*splits_in_name.values())) > 1
    suspects = [
        name for name in classes if split_of_name(name.rstrip("0123456789")) or (several and splits_in_name[name])
    ]
    if not suspects:
        return []
    quoted = ", ".join(f"'{name}'" for name in suspects)
    return [
        f"{folder}: {quoted} count as classes; folders of splits are called train, val and test, and hold class folders"
    ]


def _unpacked(folder: Path) -> Path:
    """Return the folder in ``folder`` if it has the same name and is alone, as in some archives; else ``folder``."""
    try:
        inside = [name for name in os.listdir(folder) if not name.startswith(".")]
    except OSError:
        return folder
    inner = folder / folder.name
    return inner if inside == [folder.name] and inner.is_dir() else folder


def _has_folders(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entry.is_dir() and not entry.name.startswith(".") for entry in entries)
    except OSError:
        return False
