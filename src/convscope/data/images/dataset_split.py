"""Data sets of PyTorch as image splits: any ``torch.utils.data.Dataset`` of (image, label)."""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image
from typing_extensions import override

from convscope.data.images.decoding import pillow_to_pixels
from convscope.data.images.image_source import BadImageError, ImageSource, ImageSplit
from convscope.data.progress import Progress
from convscope.errors import UserError, reason_of

# What mappings call the image and the label of an example.
IMAGE_KEYS = ("image", "img", "pixel_values")
LABEL_KEYS = ("label", "labels", "target")
LABEL_ATTRIBUTES = ("targets", "labels")


class DatasetSplit(ImageSplit):
    """The images of a data set of PyTorch, read one at a time: it may not be made for several threads.

    Args:
        dataset: Has ``__len__`` and ``__getitem__``, whose items are (image, label) or mappings with both.
        labels: Index of the class of each image, (N,).
        split: Name of the split.
        key: Identifies the content.
    """

    def __init__(self, dataset: Any, labels: np.ndarray, split: str, key: str) -> None:
        self.labels = labels
        self.names = [f"{split}/{index}" for index in range(len(labels))]
        self.key = key
        self._dataset, self._split = dataset, split
        self._lock = threading.Lock()

    @override
    def read(self, index: int, min_size: int | None = None) -> np.ndarray:
        with self._lock:
            return read_item(self._dataset, index, self._split)[0]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()


def image_source(name: str, datasets: Mapping[str, Any]) -> ImageSource:
    """Return data sets of PyTorch as a source of images.

    The classes are those of ``train.classes``, or else the labels of ``train`` in ascending order. The labels of a
    split are read from its ``targets`` or ``labels``, or else from its items, each of which is read once. An item is
    (image, label) or a mapping with both; an image is one of Pillow, an array (H, W) or (H, W, C), or a tensor
    (C, H, W), of uint8 or of floats from 0 to 1.

    What is cached of the images is found by their content, which is read once in each run; a data set with an attribute
    ``fingerprint``, a text that changes whenever its images do, is not.

    Args:
        name: Name of the source.
        datasets: The data sets by split: "train", "validation" and "test".

    Raises:
        UserError: An item is no such pair, or a label of another split does not occur in train.
    """
    read = {split: _Read(dataset, split) for split, dataset in datasets.items()}
    names = {split: contents.label_names() for split, contents in read.items()}
    train = names["train"]
    declared = _classes_of(datasets["train"])
    classes = tuple(sorted(set(train), key=_ascending)) if declared is None else tuple(declared)
    twice = sorted({class_name for class_name in classes if classes.count(class_name) > 1})
    if twice:
        raise UserError(f"data={name}: has two classes called {twice[0]}; give each a name of its own")
    index = {class_name: place for place, class_name in enumerate(classes)}
    for split, split_names in names.items():
        unknown = sorted(set(split_names) - index.keys())
        if unknown:
            raise UserError(f"data={name}: {split} has labels that train lacks: {', '.join(unknown[:5])}")
    first = read["train"].first
    splits = {
        split: DatasetSplit(
            datasets[split], np.array([index[label] for label in names[split]], np.int64), split, contents.key()
        )
        for split, contents in read.items()
    }
    warnings = tuple(contents.warning for contents in read.values() if contents.warning)
    return ImageSource(name, "own", classes, 1 if first.shape[2] == 1 else 3, splits, warnings)


class _Read:
    """What is read of a data set before it is used: its labels and, unless it has a fingerprint, its content."""

    def __init__(self, dataset: Any, split: str) -> None:
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise UserError(f"data: {split} is a {type(dataset).__name__}, and no data set with a length and items")
        if len(dataset) == 0:
            raise UserError(f"data: {split} is empty")
        self.dataset, self.split = dataset, split
        self.first, _ = read_item(dataset, 0, split)
        again, _ = read_item(dataset, 0, split)
        self.warning = ""
        if again.shape != self.first.shape or not np.array_equal(again, self.first):
            self.warning = (
                f"the {split} images differ from one reading to the next: the first is kept for the whole run; "
                "data.augmentation is the place for random changes"
            )
        self._digest: str | None = None

    def label_names(self) -> list[str]:
        """Return the name of each label."""
        labels = labels_of(self.dataset)
        if labels is None:
            labels = self._read_all()
        if len(labels) != len(self.dataset):
            raise UserError(f"data: {self.split} has {len(self.dataset):,} images and {len(labels):,} labels")
        classes = _classes_of(self.dataset)
        return [_label_name(label, classes, f"{self.split}[{place}]") for place, label in enumerate(labels)]

    def key(self) -> str:
        """Return a text that identifies the images."""
        fingerprint = getattr(self.dataset, "fingerprint", None)
        if isinstance(fingerprint, str):
            return f"own {self.split} {fingerprint}"
        if self._digest is None:
            self._read_all()
        return f"own {self.split} {self._digest}"

    def _read_all(self) -> list[Any]:
        """Read every item once; return the labels, and keep a digest of the images."""
        digest = hashlib.sha256()
        labels: list[Any] = []
        with Progress(f"reading the {self.split} data", len(self.dataset)) as progress:
            for index in range(len(self.dataset)):
                try:
                    pixels, label = read_item(self.dataset, index, self.split)
                except BadImageError as bad:  # it is met again, and handled, when the images are stored
                    if labels_of(self.dataset) is None:
                        raise UserError(f"data: {bad}, and its label is not known without it") from bad
                    digest.update(str(bad).encode())
                    labels.append(None)
                else:
                    digest.update(repr(pixels.shape).encode())
                    digest.update(np.ascontiguousarray(pixels).data)
                    labels.append(label)
                progress.advance(1)
        self._digest = digest.hexdigest()
        return labels


def read_item(dataset: Any, index: int, split: str) -> tuple[np.ndarray, Any]:
    """Return the image of an item, (H, W, C) uint8 with 1 or 3 channels, and its label as it is.

    Raises:
        BadImageError: The data set raises what Pillow raises for a damaged file.
        UserError: It raises something else, or the item is no image with a label.
    """
    place = f"{split}[{index}]"
    try:
        item = dataset[index]
    except OSError as error:
        raise BadImageError(f"{split}/{index}", error.strerror or str(error)) from error
    except Exception as error:
        raise UserError(f"data: {place} cannot be read: {reason_of(error)}") from error
    if isinstance(item, Mapping):
        image = next((item[key] for key in IMAGE_KEYS if key in item), None)
        label = next((item[key] for key in LABEL_KEYS if key in item), None)
        if image is None or label is None:
            raise UserError(f"data: {place} has the keys {', '.join(map(str, item))}; it needs image and label")
    elif isinstance(item, Sequence) and not isinstance(item, str | bytes) and len(item) >= 2:
        image, label = item[0], item[1]
    else:
        raise UserError(f"data: {place} is a {type(item).__name__}, and no pair (image, label)")
    try:
        return to_pixels(image), label
    except ValueError as error:
        raise UserError(f"data: the image of {place} {error}") from error


def to_pixels(image: Any) -> np.ndarray:
    """Return an image as (H, W, C) uint8, with 1 or 3 channels.

    Args:
        image: An image of Pillow, an array (H, W) or (H, W, C), or a tensor (H, W) or (C, H, W); of uint8, or of floats
            from 0 to 1.

    Raises:
        ValueError: It is none of these; the message follows "the image".
    """
    if isinstance(image, Image.Image):
        return pillow_to_pixels(image)
    is_tensor = hasattr(image, "detach")
    array = _tensor_to_array(image) if is_tensor else np.asarray(image)
    if array.ndim == 2:
        array = array[..., None]
    elif array.ndim == 3 and (is_tensor or (array.shape[2] not in (1, 3, 4) and array.shape[0] in (1, 3))):
        array = array.transpose(1, 2, 0)
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise ValueError(f"has the shape {np.shape(image)}, and not one of a grey or colour image")
    if array.shape[2] == 4:
        return pillow_to_pixels(Image.fromarray(_to_bytes(array), "RGBA"))
    return _to_bytes(array)


def _tensor_to_array(image: Any) -> np.ndarray:
    tensor = image.detach().cpu()
    try:
        array: np.ndarray = tensor.numpy()
    except TypeError:  # NumPy has no bfloat16
        array = tensor.float().numpy()
    return array


def _to_bytes(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype == bool:
        return np.ascontiguousarray(array.astype(np.uint8) * 255)
    low, high = float(array.min()), float(array.max())
    if not np.issubdtype(array.dtype, np.floating):
        if low < 0 or high > 255:
            raise ValueError(f"has integers from {low:g} to {high:g}, and pixels are 0 to 255")
        return np.ascontiguousarray(array.astype(np.uint8))
    if not (low >= 0.0 and high <= 1.0):
        raise ValueError(
            f"has floats from {low:.3g} to {high:.3g}, and not from 0 to 1: return it before it is normalised, since "
            "convscope normalises it as the network expects"
        )
    return np.ascontiguousarray((array * 255).round().astype(np.uint8))


def labels_of(dataset: Any) -> Sequence[Any] | None:
    """Return the labels that a data set keeps, as ``targets`` or ``labels``; also those of a ``Subset``; else None."""
    for attribute in LABEL_ATTRIBUTES:
        values = getattr(dataset, attribute, None)
        if values is not None and not callable(values) and hasattr(values, "__len__"):
            return values.tolist() if hasattr(values, "tolist") else list(values)
    inner, indices = getattr(dataset, "dataset", None), getattr(dataset, "indices", None)
    if inner is not None and indices is not None:
        labels = labels_of(inner)
        return None if labels is None else [labels[int(index)] for index in indices]
    return None


def _classes_of(dataset: Any) -> list[str] | None:
    """Return the class names that a data set has, in the order of its labels, also those of a mapping to labels."""
    declared = getattr(dataset, "classes", None)
    if isinstance(declared, Mapping):
        declared = sorted(declared, key=declared.__getitem__)
    return None if declared is None else [str(class_name) for class_name in declared]


def _label_name(label: Any, classes: Sequence[str] | None, place: str) -> str:
    """Return the name of a label: ``classes[label]``, or the label itself.

    Raises:
        UserError: The label is no class.
    """
    if hasattr(label, "item") and np.ndim(label) == 0:
        label = label.item()
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    if not isinstance(label, str | int) or isinstance(label, bool):
        raise UserError(f"data: the label of {place} is {label!r}, and not the number or the name of a class")
    if classes is None or isinstance(label, str):
        return str(label)
    if not 0 <= label < len(classes):
        raise UserError(f"data: the label of {place} is {label}, and there are {len(classes)} classes")
    return classes[label]


def _ascending(name: str) -> tuple[int, int, str]:
    """Return a key that puts numbers in the order of their values, before words."""
    is_number = name.lstrip("-").isdecimal()
    return (0, int(name), "") if is_number else (1, 0, name)
