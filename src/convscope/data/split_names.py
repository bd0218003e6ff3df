"""The words by which files, folders and sets of a hub name their splits."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from convscope.errors import UserError

# The words that `datasets` knows, too (datasets.data_files, SPLIT_KEYWORDS).
WORDS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
NAME = re.compile(rf"({'|'.join(WORDS)})(?:[\s_-]*(?:set|split|data|images?|imgs?|pictures|photos|texts|files))?", re.I)


def split_of_name(name: str) -> str | None:
    """The split, "train", "validation" or "test", that ``name`` stands for ("Training", "test_set"), or None."""
    found = NAME.fullmatch(name)
    return WORDS[found[1].lower()] if found else None


def split_folders(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """The folders of the splits among the subfolders ``names`` of ``folder``; empty where these are the classes.

    They are splits where all have such names, and beside other folders where there is a train folder, or several that
    hold folders in their turn. Beside the classes bus and car, though, a single folder train that holds no folders is
    a class too.

    Raises:
        UserError: Two folders are named for one split.
    """
    found = {name: split for name in names if (split := split_of_name(name))}
    if len(found) < len(names):
        trains, nested = "train" in found.values(), any(_has_folders(folder / name) for name in found)
        if not ((trains and nested) or (len(found) > 1 and (trains or nested))):
            return {}
    splits: dict[str, Path] = {}
    for name, split in found.items():
        if split in splits:
            raise UserError(f"{folder} has two folders for {split}, {splits[split].name} and {name}: remove one")
        splits[split] = folder / name
    return splits


def _has_folders(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entry.is_dir() and not entry.name.startswith(".") for entry in entries)
    except OSError:
        return False
