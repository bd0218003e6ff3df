"""A folder of images, one folder a class, with or without train, validation and test folders above them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convscope.data.images.decoding import DECODER_VERSION, decode_image
from convscope.data.images.image_formats import USUAL, LeftOut, is_image_name
from convscope.data.images.image_source import SPLITS, ImageSource, ImageSplit, content_key
from convscope.data.split_names import classes_like_splits
from convscope.data.split_names import split_folders as find_split_folders
from convscope.data.stratification import make_missing_splits
from convscope.errors import UserError


@dataclass(frozen=True)
class ImageFile:
    """A file found: its path relative to the data folder, and what tells whether it was changed since."""

    name: str
    size: int
    mtime_ns: int
    label: int


class FolderSplit(ImageSplit):
    """Image files below a folder."""

    def __init__(self, root: Path, files: Sequence[ImageFile]) -> None:
        self.labels = np.array([file.label for file in files], dtype=np.int64)
        self.names = [_printable(file.name) for file in files]
        stamps = np.array([(file.size, file.mtime_ns) for file in files], dtype=np.int64)
        self.key = content_key("folder", DECODER_VERSION, "\0".join(file.name for file in files), stamps)
        self._paths = [root / file.name for file in files]

    def read(self, index: int, min_size: int | None = None) -> np.ndarray:
        """Image ``index``, (H, W, 3) uint8; ``BadImageError`` where it cannot be decoded."""
        return decode_image(self._paths[index], self.names[index], min_size)


def image_folder(
    root: str | Path,
    seed: int = 0,
    validation: float = 0.15,
    test: float = 0.15,
    name: str = "image_folder",
) -> ImageSource:
    """The images below ``root`` as train, validation and test splits.

    Either ``root/<split>/<class>/...`` (train | training, val | valid | validation | dev, test | testing and others, in
    any case: see `split_names`; a split that has no folder is cut from train) or ``root/<class>/...`` (both are cut).
    ``validation`` and ``test`` are the shares that are cut from what is there to cut: stratified, a function of
    ``seed``. Folders inside a class folder belong to the class. Hidden files and folders are passed over, and so are
    files whose ending is not that of an image, which are counted where it is not that of notes, tables or archives.

    Raises ``UserError`` for a folder that does not exist, is empty, or does not have at least two classes
    with images for every split.
    """
    folder = _existing_folder(root)
    split_folders = _split_folders(folder)
    warnings: list[str] = []
    left_out = LeftOut()
    if split_folders:
        if "train" not in split_folders:
            found = ", ".join(path.name for path in split_folders.values())
            raise UserError(f"{folder} has no train folder beside {found}: name the folder to train on 'train'")
        classes = _class_names(split_folders["train"])
        files = {split: _scan(folder, path, classes, left_out) for split, path in split_folders.items()}
        warnings += _passed_over(folder, split_folders)
        warnings += _classes_without_images(folder, files, classes)
        missing = [split for split in SPLITS if split not in split_folders]
        if missing:
            shares = {"validation": validation, "test": test}
            said = " and ".join(f"{split} ({shares[split]:.0%})" for split in missing)
            warnings.append(f"{folder} has no folder for every split: {said} cut from train")
    else:
        classes = _class_names(folder)
        files = {"train": _scan(folder, folder, classes, left_out)}
        warnings += classes_like_splits(folder, classes)
    warnings += left_out.sentences(folder)
    rows = make_missing_splits(
        np.array([file.label for file in files["train"]]),
        files,
        {"validation": validation, "test": test},
        seed,
        classes=classes,
        where=str(folder),
    )
    files |= {split: [files["train"][row] for row in kept] for split, kept in rows.items()}
    splits = {split: FolderSplit(folder, files[split]) for split in SPLITS}
    return ImageSource(name, "folder", classes, 3, splits, tuple(warnings))


def evaluation_folder(
    root: str | Path, classes: Sequence[str] | None = None, name: str = "image_folder"
) -> ImageSource:
    """The images below ``root`` as a set to evaluate on: one split, "test".

    With split folders it is the test folder, without them all the images. With ``classes``, those that a
    network was trained on, labels index these, and the folder may have some of them only.

    Raises ``UserError`` as `image_folder`, and for a class folder that is not among ``classes``.
    """
    folder = _existing_folder(root)
    split_folders = _split_folders(folder)
    if split_folders and "test" not in split_folders:
        found = ", ".join(path.name for path in split_folders.values())
        raise UserError(f"{folder} has no test folder beside {found}: give the folder to evaluate on itself")
    above = split_folders.get("test", folder)
    known = tuple(classes) if classes is not None else _class_names(above)
    left_out = LeftOut()
    files = _scan(folder, above, known, left_out)
    warnings = tuple(left_out.sentences(folder))
    return ImageSource(name, "folder", known, 3, {"test": FolderSplit(folder, files)}, warnings)


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
    """The folder of each split, in their order; empty where the class folders lie in ``folder`` itself."""
    found = find_split_folders(folder, _subfolders(folder))
    return {split: found[split] for split in SPLITS if split in found}


def _class_names(folder: Path) -> tuple[str, ...]:
    names = _subfolders(folder)
    if not names:
        raise UserError(f"{folder} has no class folders: put the images of each class into a folder of its own")
    if len(names) == 1:
        inside = folder / names[0]
        hint = f", or set data.root={inside}" if len(_subfolders(inside)) > 1 else ""
        raise UserError(
            f"{folder} has one class folder, '{names[0]}', and a classifier needs two or more: add one{hint}"
        )
    return tuple(names)


def _scan(root: Path, folder: Path, classes: Sequence[str], left_out: LeftOut) -> list[ImageFile]:
    """The images of the class folders of ``folder``, class by class, in the order of their names.

    ``left_out`` counts what lies there beside them, and images that lie in no class folder.
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
    left_out.loose += [_printable(_relative(str(folder / name), root)) for name in loose]
    files: list[ImageFile] = []
    for label, name in enumerate(classes):
        if name in present:
            here = LeftOut()
            found = sorted(_images(root, folder / name, label, here), key=lambda file: file.name)
            if not found:
                beside = f", but{unreadable}" if (unreadable := here.unreadable()) else ""
                raise UserError(
                    f"class folder {folder / name} holds no images ({USUAL}){beside}: add some or remove the folder"
                )
            left_out.include(here)
            files += found
    return files


def _images(root: Path, folder: str | Path, label: int, left_out: LeftOut) -> Iterator[ImageFile]:
    for entry in _visible(folder):
        if entry.is_dir(follow_symlinks=False):  # a link may lead back up
            yield from _images(root, entry.path, label, left_out)
        elif entry.is_file():
            name = _relative(entry.path, root)
            if is_image_name(entry.name):
                status = entry.stat()
                yield ImageFile(name, status.st_size, status.st_mtime_ns, label)
            else:
                left_out.add(_printable(name))


def _relative(path: str, root: Path) -> str:
    return os.path.relpath(path, root).replace(os.sep, "/")


def _passed_over(folder: Path, split_folders: dict[str, Path]) -> list[str]:
    taken = {path.name for path in split_folders.values()}
    others = [name for name in _subfolders(folder) if name not in taken]
    return [f"{folder}: passed over {_quoted(others)}, beside the folders of the splits"] if others else []


def _classes_without_images(folder: Path, files: dict[str, list[ImageFile]], classes: Sequence[str]) -> list[str]:
    absent = {
        split: sorted(set(range(len(classes))) - {file.label for file in found}) for split, found in files.items()
    }
    return [
        f"{folder}: {split} has no images of {_quoted([classes[label] for label in labels])}"
        for split, labels in absent.items()
        if labels
    ]


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _printable(name: str) -> str:
    """``name`` with bytes that are not UTF-8, which a file name may have, replaced."""
    return os.fsencode(name).decode("utf-8", "replace")
