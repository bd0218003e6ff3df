"""Image folders: a folder for each class, with or without train, validation and test folders above them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from typing_extensions import override

from convscope.data.images.decoding import DECODER_VERSION, decode_image
from convscope.data.images.image_formats import USUAL_FORMATS, SkippedFiles, is_image_name
from convscope.data.images.image_source import SPLITS, ImageSource, ImageSplit, content_key
from convscope.data.split_names import classes_like_splits
from convscope.data.split_names import split_folders as find_split_folders
from convscope.data.stratification import make_missing_splits
from convscope.errors import UserError


@dataclass(frozen=True)
class ImageFile:
    """An image file.

    Attributes:
        name: Its path relative to the data folder, with slashes.
        size: Its size in bytes; size and time together show whether the file has changed.
        mtime_ns: When it was last modified, in nanoseconds.
        label: Its class.
    """

    name: str
    size: int
    mtime_ns: int
    label: int


class FolderSplit(ImageSplit):
    """The image files of a split, below the data folder ``root``."""

    def __init__(self, root: Path, files: Sequence[ImageFile]) -> None:
        self.labels = np.array([file.label for file in files], dtype=np.int64)
        self.names = [_printable(file.name) for file in files]
        stamps = np.array([(file.size, file.mtime_ns) for file in files], dtype=np.int64)
        self.key = content_key("folder", DECODER_VERSION, "\0".join(file.name for file in files), stamps)
        self._paths = [root / file.name for file in files]

    @override
    def read(self, index: int, min_size: int | None = None) -> np.ndarray:
        return decode_image(self._paths[index], self.names[index], min_size)


def image_folder(
    root: str | Path,
    seed: int = 0,
    validation: float = 0.15,
    test: float = 0.15,
    name: str = "image_folder",
) -> ImageSource:
    """Return the images below ``root`` as train, validation and test splits.

    The folder is laid out as ``root/<split>/<class>/...`` or as ``root/<class>/...``. The folders of the splits are
    called train | training, val | valid | validation | dev, test | testing and the like, in upper or lower case: see
    `split_names`. A validation or test split without a folder is cut from the train split, or from all images if there
    are no folders of splits. Folders inside a class folder belong to the class. Hidden files and folders are skipped,
    and so are files whose ending is not that of an image: a warning counts these, unless their ending is that of
    notes, tables or archives.

    Args:
        root: The data folder.
        seed: Determines which images are cut for which split.
        validation: Share of the images that is cut for a missing validation split, stratified.
        test: Share of the images that is cut for a missing test split, stratified.
        name: Name of the data set.

    Raises:
        UserError: The folder does not exist, is empty, or does not have at least two classes with images for every
            split.
    """
    folder = _existing_folder(root)
    split_folders = _split_folders(folder)
    warnings: list[str] = []
    skipped = SkippedFiles()
    if split_folders:
        if "train" not in split_folders:
            others = ", ".join(path.name for path in split_folders.values())
            raise UserError(f"{folder} has no train folder beside {others}: name the folder to train on 'train'")
        classes = _class_names(split_folders["train"])
        files = {split: _scan(folder, path, classes, skipped) for split, path in split_folders.items()}
        warnings += _skipped_folders(folder, split_folders)
        warnings += _classes_without_images(folder, files, classes)
        missing = [split for split in SPLITS if split not in split_folders]
        if missing:
            shares = {"validation": validation, "test": test}
            cut = " and ".join(f"{split} ({shares[split]:.0%})" for split in missing)
            warnings.append(f"{folder} has no folder for every split: {cut} cut from train")
    else:
        classes = _class_names(folder)
        files = {"train": _scan(folder, folder, classes, skipped)}
        warnings += classes_like_splits(folder, classes)
    warnings += skipped.sentences(folder)
    rows = make_missing_splits(
        np.array([file.label for file in files["train"]]),
        files,
        {"validation": validation, "test": test},
        seed,
        classes=classes,
        data_name=str(folder),
    )
    files |= {split: [files["train"][row] for row in split_rows] for split, split_rows in rows.items()}
    splits = {split: FolderSplit(folder, files[split]) for split in SPLITS}
    return ImageSource(name, "folder", classes, 3, splits, tuple(warnings))


def evaluation_folder(
    root: str | Path, classes: Sequence[str] | None = None, name: str = "image_folder"
) -> ImageSource:
    """Return the images below ``root`` as a data set for evaluation, with the single split "test".

    If there are folders of splits, the split is that of the test folder; otherwise it is all images.

    Args:
        root: The data folder.
        classes: The classes that a network was trained on. The labels are then indices of these, and the folder may
            have only some of them. None for the classes of the folder.
        name: Name of the data set.

    Raises:
        UserError: As in `image_folder`; or a class folder is not among ``classes``.
    """
    folder = _existing_folder(root)
    split_folders = _split_folders(folder)
    if split_folders and "test" not in split_folders:
        others = ", ".join(path.name for path in split_folders.values())
        raise UserError(f"{folder} has no test folder beside {others}: give the folder to evaluate on itself")
    test_folder = split_folders.get("test", folder)
    known_classes = tuple(classes) if classes is not None else _class_names(test_folder)
    skipped = SkippedFiles()
    files = _scan(folder, test_folder, known_classes, skipped)
    warnings = tuple(skipped.sentences(folder))
    return ImageSource(name, "folder", known_classes, 3, {"test": FolderSplit(folder, files)}, warnings)


def _existing_folder(root: str | Path) -> Path:
    folder = Path(root).expanduser()
    if not folder.exists():
        raise UserError(f"data folder {folder} does not exist: check data.root")
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: data.root must name the folder that holds the class folders")
    if not _visible(folder):
        raise UserError(f"data folder {folder} is empty: put a folder for each class there, or check data.root")
    return folder


def _visible(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise UserError(f"folder {folder} cannot be read ({error.strerror}): check its permissions") from error


def _subfolders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in _visible(folder) if entry.is_dir())


def _split_folders(folder: Path) -> dict[str, Path]:
    """Return the folder of each split, in the order of `SPLITS`; empty if ``folder`` itself holds the class folders."""
    folders = find_split_folders(folder, _subfolders(folder))
    return {split: folders[split] for split in SPLITS if split in folders}


def _class_names(folder: Path) -> tuple[str, ...]:
    """Return the names of the class folders in ``folder``; raise UserError if there are fewer than two."""
    names = _subfolders(folder)
    if not names:
        raise UserError(f"{folder} has no class folders: put the images of each class into a folder of its own")
    if len(names) == 1:
        inner = folder / names[0]
        hint = f", or set data.root={inner}" if len(_subfolders(inner)) > 1 else ""
        raise UserError(
            f"{folder} has one class folder, '{names[0]}', and a classifier needs two or more: add one{hint}"
        )
    return tuple(names)


def _scan(root: Path, folder: Path, classes: Sequence[str], skipped: SkippedFiles) -> list[ImageFile]:
    """Return the images in the class folders of ``folder``, class by class, sorted by name.

    Args:
        root: The data folder, to which the names of the images are relative.
        folder: The folder that holds the class folders.
        classes: Names of the classes, in the order of the labels.
        skipped: Counts the files there that are not read, and collects the images that are in no class folder.

    Raises:
        UserError: A class folder is not among ``classes``, or holds no images; or there are no class folders.
    """
    present = _subfolders(folder)
    unknown = [name for name in present if name not in classes]
    if unknown:
        raise UserError(
            f"{folder} has the class(es) {_quoted(unknown)}, which are not among those trained on, "
            f"{_quoted(classes)}: rename or remove these folders"
        )
    if not present:
        raise UserError(f"{folder} has no class folders: expected {_quoted(classes)}")
    loose = sorted(entry.name for entry in _visible(folder) if is_image_name(entry.name) and entry.is_file())
    skipped.loose += [_printable(_relative(str(folder / name), root)) for name in loose]
    files: list[ImageFile] = []
    for label, name in enumerate(classes):
        if name in present:
            class_skipped = SkippedFiles()
            class_files = sorted(_images(root, folder / name, label, class_skipped), key=lambda file: file.name)
            if not class_files:
                but = f", but{unreadable}" if (unreadable := class_skipped.unreadable()) else ""
                raise UserError(
                    f"class folder {folder / name} holds no images ({USUAL_FORMATS}){but}: "
                    "add some or remove the folder"
                )
            skipped.include(class_skipped)
            files += class_files
    return files


def _images(root: Path, folder: str | Path, label: int, skipped: SkippedFiles) -> Iterator[ImageFile]:
    """Yield the images in ``folder`` and the folders inside it; count other files in ``skipped``."""
    for entry in _visible(folder):
        if entry.is_dir(follow_symlinks=False):  # a link may lead back up
            yield from _images(root, entry.path, label, skipped)
        elif entry.is_file():
            name = _relative(entry.path, root)
            if is_image_name(entry.name):
                status = entry.stat()
                yield ImageFile(name, status.st_size, status.st_mtime_ns, label)
            else:
                skipped.add(_printable(name))


def _relative(path: str, root: Path) -> str:
    return os.path.relpath(path, root).replace(os.sep, "/")


def _skipped_folders(folder: Path, split_folders: dict[str, Path]) -> list[str]:
    """Return a warning about the subfolders of ``folder`` that are not those of splits, if there are any."""
    used = {path.name for path in split_folders.values()}
    others = [name for name in _subfolders(folder) if name not in used]
    return [f"{folder}: skipped {_quoted(others)}, beside the folders of the splits"] if others else []


def _classes_without_images(folder: Path, files: dict[str, list[ImageFile]], classes: Sequence[str]) -> list[str]:
    """Return a warning for each split that has no images of some classes."""
    missing = {
        split: sorted(set(range(len(classes))) - {file.label for file in split_files})
        for split, split_files in files.items()
    }
    return [
        f"{folder}: {split} has no images of {_quoted([classes[label] for label in labels])}"
        for split, labels in missing.items()
        if labels
    ]


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _printable(name: str) -> str:
    """Return the file name ``name`` with bytes that are not UTF-8 replaced."""
    return os.fsencode(name).decode("utf-8", "replace")
