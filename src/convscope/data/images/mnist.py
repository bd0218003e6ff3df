"""MNIST (LeCun et al. 1998) and Fashion-MNIST (Xiao et al. 2017): 28×28 grey images of ten classes."""

import functools
from pathlib import Path

import numpy as np

from convscope.data.images.idx import read_idx
from convscope.data.images.image_hub import image_hub
from convscope.data.images.image_source import ArraySplit, ImageSource, content_key
from convscope.data.stratification import make_missing_splits
from convscope.errors import UserError

DIGITS = tuple("0123456789")
CLOTHES = (
    "t-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # of the package dataset-fashion-mnist
VALIDATION = 5000


def mnist(root: str | Path | None = None, seed: int = 0, validation: int = VALIDATION) -> ImageSource:
    """Return MNIST, handwritten digits: 60,000 for training and 10,000 for testing.

    Args:
        root: The folder with the IDX files (gzipped or not), directly or in ``MNIST/raw``, torchvision's layout; None
            to load the data set from the hub.
        seed: Determines which training images are cut for validation.
        validation: Number of training images that are cut for validation, stratified.

    Raises:
        UserError: The data set cannot be found, or a file is malformed.
    """
    if root is not None:
        return _from_files(Path(root).expanduser(), "MNIST/raw", "mnist", "folder", DIGITS, seed, validation)
    return _from_hub("ylecun/mnist", "mnist", DIGITS, seed, validation)


def fashion_mnist(root: str | Path | None = None, seed: int = 0, validation: int = VALIDATION) -> ImageSource:
    """Return Fashion-MNIST, articles of clothing: as many images as MNIST, in the same format.

    Args:
        root: The folder with the IDX files, directly or in ``FashionMNIST/raw``, torchvision's layout; None to load
            the data set from Debian's package of it if that is installed, otherwise from the hub.
        seed: Determines which training images are cut for validation.
        validation: Number of training images that are cut for validation, stratified.

    Raises:
        UserError: The data set cannot be found, or a file is malformed.
    """
    name = "fashion_mnist"
    if root is not None:
        return _from_files(Path(root).expanduser(), "FashionMNIST/raw", name, "folder", CLOTHES, seed, validation)
    if DEBIAN_FASHION_MNIST.is_dir():
        return _from_files(DEBIAN_FASHION_MNIST, "", name, "package", CLOTHES, seed, validation)
    return _from_hub("zalando-datasets/fashion_mnist", name, CLOTHES, seed, validation)


def _from_hub(path: str, name: str, classes: tuple[str, ...], seed: int, validation: int) -> ImageSource:
    hint = "set data.root to a folder with the four IDX files (train-images-idx3-ubyte.gz, ...)"
    source = image_hub(path, seed=seed, validation=validation, name=name, hint=hint)
    expected = [warning for warning in source.warnings if "cut from train" in warning]  # it has no validation split
    warnings = tuple(warning for warning in source.warnings if warning not in expected)
    return ImageSource(name, source.source, classes, 1, source.splits, warnings)


def _from_files(
    root: Path, subfolder: str, name: str, source: str, classes: tuple[str, ...], seed: int, validation: int
) -> ImageSource:
    if not root.is_dir():
        raise UserError(f"data folder {root} does not exist: check data.root")
    files = {
        part: _find(root, subfolder, part) for part in ("train-images", "train-labels", "t10k-images", "t10k-labels")
    }
    train_labels = _labels(files["train-labels"], files["train-images"], classes)
    test_labels = _labels(files["t10k-labels"], files["t10k-images"], classes)
    rows_of_splits = make_missing_splits(
        train_labels, {"test"}, {"validation": validation}, seed, classes=classes, data_name=str(root)
    )
    splits = _splits(files["train-images"], rows_of_splits, train_labels, "train")
    splits |= _splits(files["t10k-images"], {"test": np.arange(len(test_labels))}, test_labels, "test")
    return ImageSource(name, source, classes, 1, splits)


def _find(root: Path, subfolder: str, part: str) -> Path:
    """Return the IDX file ``part`` of ``root`` or its ``subfolder``; raise UserError if there is none."""
    kind = "idx3" if part.endswith("images") else "idx1"
    folders = [root, root / subfolder]
    for folder in folders:
        for dash in ("-", "."):
            for ending in ("", ".gz"):
                file = folder / f"{part}{dash}{kind}-ubyte{ending}"
                if file.is_file():
                    return file
    neither = f", and neither has {subfolder}" if subfolder else ""
    raise UserError(f"{root} has no {part}-{kind}-ubyte or {part}-{kind}-ubyte.gz{neither}: check data.root")


def _labels(file: Path, images: Path, classes: tuple[str, ...]) -> np.ndarray:
    """Return the labels (N,) int64 in ``file``; raise UserError if they do not fit ``images`` or ``classes``."""
    labels = read_idx(file, 1).astype(np.int64)
    count = len(read_idx(images, 3, header_only=True))
    if len(labels) != count:
        raise UserError(
            f"{file} has {len(labels)} labels, and {images.name} {count} images: they do not belong together"
        )
    if len(labels) and labels.max() >= len(classes):
        raise UserError(
            f"{file} has the label {labels.max()}, and the set has {len(classes)} classes (0 to {len(classes) - 1})"
        )
    return labels


def _splits(file: Path, rows_of_splits: dict[str, np.ndarray], labels: np.ndarray, name: str) -> dict[str, ArraySplit]:
    status = file.stat()
    height, width = read_idx(file, 3, header_only=True).shape[1:]
    key = content_key("idx", file.name, status.st_size, status.st_mtime_ns)
    load = functools.cache(lambda: read_idx(file, 3)[..., None])  # read once: train and validation are rows of one file
    return {
        split: ArraySplit(load, (height, width, 1), rows, labels[rows], name, key)
        for split, rows in rows_of_splits.items()
    }
