"""CIFAR-10 (Krizhevsky 2009): 32×32 colour images of ten classes, 50,000 for training and 10,000 for testing."""

import functools
from pathlib import Path

import numpy as np

from convscope.data.images.image_hub import image_hub
from convscope.data.images.image_source import ArraySplit, ImageSource, content_key
from convscope.data.stratification import make_missing_splits
from convscope.errors import UserError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SHAPE = (32, 32, 3)
RECORD = 1 + 32 * 32 * 3  # bytes of an image: its label, then its red, green and blue planes
TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_FILES = ("test_batch.bin",)
ARCHIVE = "cifar-10-binary.tar.gz of https://www.cs.toronto.edu/~kriz/cifar.html"
VALIDATION = 5000


def cifar10(root: str | Path | None = None, seed: int = 0, validation: int = VALIDATION) -> ImageSource:
    """Return CIFAR-10, from the files of its binary version in a folder, or from the hub.

    Args:
        root: The folder with the binary version, directly or in ``cifar-10-batches-bin``; None for the hub.
        seed: Determines which training images are cut for validation.
        validation: Number of training images that are cut for validation, stratified.

    Raises:
        UserError: The data set cannot be found, a file is malformed, or ``root`` has the Python version of CIFAR-10:
            its files are pickles, and a pickle can run any code when it is read.
    """
    if root is None:
        hint = f"set data.root to a folder with {ARCHIVE}, unpacked"
        source = image_hub("uoft-cs/cifar10", seed=seed, validation=validation, name="cifar10", hint=hint)
        warnings = tuple(warning for warning in source.warnings if "cut from train" not in warning)
        return ImageSource("cifar10", source.source, source.classes, 3, source.splits, warnings)
    folder = _folder(Path(root).expanduser())
    train, test = (tuple(folder / name for name in names) for names in (TRAIN_FILES, TEST_FILES))
    train_labels, test_labels = _labels(train), _labels(test)
    rows_of_splits = make_missing_splits(
        train_labels, {"test"}, {"validation": validation}, seed, classes=CLASSES, data_name=str(folder)
    )
    splits = _splits(train, rows_of_splits, train_labels, "train")
    splits |= _splits(test, {"test": np.arange(len(test_labels))}, test_labels, "test")
    return ImageSource("cifar10", "folder", CLASSES, 3, splits)


def _folder(root: Path) -> Path:
    if not root.is_dir():
        raise UserError(f"data folder {root} does not exist: check data.root")
    for folder in (root, root / "cifar-10-batches-bin"):
        if (folder / TRAIN_FILES[0]).is_file():
            return folder
    if (root / "data_batch_1").is_file() or (root / "cifar-10-batches-py").is_dir():
        raise UserError(
            f"{root} holds the Python version of CIFAR-10, whose files are pickles, which can run any code when they "
            f"are read: unpack the binary version there, {ARCHIVE}"
        )
    raise UserError(
        f"{root} has no {TRAIN_FILES[0]}, neither directly nor in cifar-10-batches-bin: unpack {ARCHIVE} there"
    )


def _read(file: Path) -> np.ndarray:
    """Return the records of ``file``, (N, 3073) uint8, memory-mapped."""
    try:
        size = file.stat().st_size
        if size == 0 or size % RECORD:
            raise UserError(f"{file} is truncated or not of CIFAR-10: {size} bytes are not whole records of {RECORD}")
        return np.memmap(file, np.uint8, "r").reshape(-1, RECORD)
    except FileNotFoundError as error:
        raise UserError(f"{file} does not exist: unpack {ARCHIVE} there") from error
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error


def _labels(files: tuple[Path, ...]) -> np.ndarray:
    labels = [_read(file)[:, 0].astype(np.int64) for file in files]
    for file, label in zip(files, labels, strict=True):
        if label.max() >= len(CLASSES):
            raise UserError(
                f"{file} has the label {label.max()}, and CIFAR-10 has {len(CLASSES)} classes: fetch it again"
            )
    return np.concatenate(labels)


def _splits(
    files: tuple[Path, ...], rows_of_splits: dict[str, np.ndarray], labels: np.ndarray, name: str
) -> dict[str, ArraySplit]:
    stamps = np.array([(file.stat().st_size, file.stat().st_mtime_ns) for file in files])
    key = content_key("cifar10", name, stamps)
    load = functools.cache(lambda: _images(files))  # read once: train and validation are rows of the same files
    return {split: ArraySplit(load, SHAPE, rows, labels[rows], name, key) for split, rows in rows_of_splits.items()}


def _images(files: tuple[Path, ...]) -> np.ndarray:
    planes = np.concatenate([_read(file)[:, 1:] for file in files]).reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
