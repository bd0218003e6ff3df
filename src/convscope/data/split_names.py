"""The words by which files, folders and sets of a hub name their splits."""

import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from convscope.errors import UserError

UNKNOWN_TO_DATASETS = {"trn", "tst"}  # the others are its words, too (datasets.data_files, SPLIT_KEYWORDS)
WORDS = {
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
NAME = re.compile(rf"({'|'.join(WORDS)})(?:[\s_-]*(?:set|split|data|images?|imgs?|images|photos|texts|files))?", re.I)


def split_of_name(name: str) -> str | None:
    """The split, "train", "validation" or "test", that ``name`` stands for ("Training", "test_set"), or None."""
    found = NAME.fullmatch(name.strip())
    return WORDS[found[1].lower()] if found else None


def split_names(names: Collection[str]) -> dict[str, str]:
    """The split of each name that stands for one, alone or together: seg_train and seg_test, "data.trn", "data.tst".

    Words in longer names count where the rest is that of another split's name, and one of them is the train split.
    """
    found = {name: split for name in names if (split := split_of_name(name))}
    alike: dict[tuple[str, str], dict[str, str]] = {}
    for name in names:
        for rest, split in _words_in(name):
            alike.setdefault(rest, {})[name] = split
    together = [group for group in alike.values() if "train" in group.values() and len({*group.values()}) > 1]
    return max([found, *together], key=len)


def _words_in(name: str) -> Iterator[tuple[tuple[str, str], str]]:
    """What is before and after each word in ``name`` that stands for a split, and that split."""
    pieces = re.split(r"([\s\d._-]+)", name.strip().lower())
    for place, piece in enumerate(pieces):
        if piece in WORDS:
            yield ("".join(pieces[:place]), "".join(pieces[place + 1 :])), WORDS[piece]


def split_folders(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """The folders of the splits among the subfolders ``names`` of ``folder``; empty where these are the classes.

    They are splits where all have such names (see `split_names`), and beside other folders where there is a train
    folder, or several that hold folders in their turn. Beside the classes bus and car, though, a single folder train
    that holds no folders is a class too.

    Raises:
        UserError: Two folders are named for one split.
    """
    found = split_names(names)
    if len(found) < len(names):
        trains, nested = "train" in found.values(), any(_has_folders(folder / name) for name in found)
        if not ((trains and nested) or (len(found) > 1 and (trains or nested))):
            return {}
    splits: dict[str, Path] = {}
    for name, split in found.items():
        if split in splits:
            raise UserError(f"{folder} has two folders for {split}, {splits[split].name} and {name}: remove one")
        splits[split] = _unpacked(folder / name)
    return splits


def classes_like_splits(folder: Path, classes: Sequence[str]) -> list[str]:
    """A sentence about those of ``classes``, folders in ``folder``, that might be meant as splits; none without any.

    They are those called train, test1 and the like, and where there are words of several splits, all that have one.
    """
    words = {name: {split for _, split in _words_in(name)} for name in classes}
    several = len(set().union(*words.values())) > 1
    like = [name for name in classes if split_of_name(name.rstrip("0123456789")) or (several and words[name])]
    if not like:
        return []
    said = ", ".join(f"'{name}'" for name in like)
    return [
        f"{folder}: {said} count as classes; folders of splits are called train, val and test, and hold class folders"
    ]


def _unpacked(folder: Path) -> Path:
    """The folder of the same name that ``folder`` holds and nothing else, as some archives are packed; or itself."""
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
