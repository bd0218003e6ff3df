"""A LightningDataModule of the user's own, as it is: its batches train and test the network without the cache."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import RandomSampler
from typing_extensions import override

from convscope.data.batches import LabelledBatch
from convscope.data.images.augmentation import Augmentation
from convscope.data.images.dataset_split import labels_of
from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.images.image_source import ImageSource
from convscope.data.progress import Progress
from convscope.errors import UserError, reason_of
from convscope.preprocessing import Preprocessing

LOADERS = {"train": "train_dataloader", "validation": "val_dataloader", "test": "test_dataloader"}
SHOWN_OF_TRAIN = 500  # images of the train split that are shown; more are not read, unless the loss is weighted


@dataclass(frozen=True)
class OwnModuleSource(ImageSource):
    """What a LightningDataModule of the user's own says of itself.

    Attributes:
        module: The data module, set up.
        size: Side of its square images in pixels.
    """

    module: Any = None
    size: int = 0

    @property
    def first_inputs(self) -> tuple[torch.Tensor, ...]:
        """The inputs of the first training example, as a batch of one."""
        examples: Any = self.splits["train"]
        inputs = examples.example(0)[0]
        return inputs if isinstance(inputs, tuple) else (inputs,)


def own_module_source(name: str, module: LightningDataModule) -> OwnModuleSource:
    """Prepare a data module, and return its classes and the shape of its images.

    The classes are ``module.classes``, or those of its training data set, or numbers.

    Raises:
        UserError: It lacks a loader, its test loader shuffles, or its batches are no square images with labels.
    """
    try:
        module.prepare_data()
        module.setup("fit")
        module.setup("test")
        splits: Any = {split: _Examples(getattr(module, method)(), split) for split, method in LOADERS.items()}
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"data: the data module cannot be set up: {reason_of(error)}") from error
    images, _ = splits["train"].example(0)
    shown = images[0] if isinstance(images, tuple) else images
    if shown.ndim != 4 or shown.shape[1] not in (1, 3) or shown.shape[2] != shown.shape[3]:
        raise UserError(
            f"data: a batch of the data module has inputs of the shape {tuple(shown.shape)}; images are (N, C, H, H) "
            "with 1 or 3 channels"
        )
    owners: list[Any] = [module, splits["train"].dataset]
    declared = next((owner.classes for owner in owners if hasattr(owner, "classes")), None)
    if declared is None:
        declared = range(getattr(module, "num_classes", None) or int(splits["train"].labels.max()) + 1)
    classes = tuple(map(str, declared))
    return OwnModuleSource(name, "own", classes, int(shown.shape[1]), splits, module=module, size=int(shown.shape[2]))


class _Examples:
    """The data set behind a loader of a data module, example by example, and its loader."""

    def __init__(self, loader: Any, split: str) -> None:
        self.loader, self.split = loader, split
        self.dataset = getattr(loader, "dataset", None)
        if self.dataset is None or not hasattr(self.dataset, "__getitem__") or not hasattr(self.dataset, "__len__"):
            raise UserError(f"data: {LOADERS[split]}() must return one DataLoader over a data set with a length")
        if split != "train" and isinstance(getattr(loader, "sampler", None), RandomSampler):
            raise UserError(f"data: {LOADERS[split]}() shuffles, so that its examples have no place; use shuffle=False")

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def example(self, index: int) -> tuple[Any, torch.Tensor]:
        """Return one example as a batch."""
        return as_pair(self.loader.collate_fn([self.dataset[index]]), f"{self.split}[{index}]")  # type: ignore[index]

    @cached_property
    def labels(self) -> np.ndarray:
        """The labels, (N,) int64."""
        kept = labels_of(self.dataset)
        if kept is None:
            kept = []
            with Progress(f"reading the labels of {self.split}", len(self)) as progress:
                for index in range(len(self)):
                    kept.append(int(self.example(index)[1]))
                    progress.advance(1)
        return np.asarray(kept, dtype=np.int64)

    @property
    def names(self) -> list[str]:
        """The names of the examples."""
        return [f"{self.split}/{index}" for index in range(len(self))]


def as_pair(batch: Any, place: str) -> tuple[Any, torch.Tensor]:
    """Return the inputs of a batch, a tensor or a tuple of tensors, and its labels (N,) int64.

    Raises:
        UserError: It is neither (inputs, labels) nor a mapping with ``image`` and ``label``.
    """
    if isinstance(batch, Mapping):
        inputs = next((batch[key] for key in ("image", "img", "pixel_values") if key in batch), None)
        labels = next((batch[key] for key in ("label", "labels", "target") if key in batch), None)
    elif isinstance(batch, Sequence) and len(batch) == 2:
        inputs, labels = batch
    else:
        inputs = labels = None
    if isinstance(inputs, list):
        inputs = tuple(inputs)
    if inputs is None or not isinstance(labels, torch.Tensor) or labels.ndim != 1:
        raise UserError(f"data: {place} of the data module is no batch (inputs, labels (N,))")
    return inputs, labels.long()


class _Store:
    """The examples of a split, as figures need them."""

    def __init__(self, examples: _Examples, limit: int | None = None) -> None:
        self._examples = examples
        self._count = len(examples) if limit is None else min(limit, len(examples))
        self.warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self._count

    @cached_property
    def labels(self) -> np.ndarray:
        """The labels, (N,) int64."""
        if self._count < len(self._examples) and labels_of(self._examples.dataset) is None:
            return np.array([int(self._examples.example(index)[1]) for index in range(self._count)], dtype=np.int64)
        return self._examples.labels[: self._count]

    @property
    def names(self) -> list[str]:
        """The names of the examples."""
        return self._examples.names[: self._count]

    def image(self, index: int) -> np.ndarray:
        """Return an image to look at, (H, W, C) uint8: its lowest value is black, its highest white."""
        return _shown(self._examples.example(index)[0])

    def release(self) -> None:
        """Do nothing: the data are the user's own."""


def _shown(inputs: Any) -> np.ndarray:
    image = (inputs[0] if isinstance(inputs, tuple) else inputs)[0].float()
    low, high = image.min(), image.max()
    scaled = (image - low) / (high - low).clamp(min=1e-6) * 255
    return np.ascontiguousarray(scaled.round().byte().permute(1, 2, 0).numpy())


class OwnDataModule(ImageDataModule):
    """Trains and tests on the batches of a LightningDataModule of the user's own, as they are.

    Their order, augmentation and normalisation are its own, and so are the batch sizes; nothing is cached.

    Args:
        source: The data module, from `own_module_source`.
        preprocessing: What the network expects.
    """

    source: OwnModuleSource
    why_not_cached = "a LightningDataModule of your own makes its batches anew in every epoch"

    def __init__(self, source: OwnModuleSource, preprocessing: Preprocessing, **settings: Any) -> None:
        super().__init__(source, preprocessing, **settings)
        self._own_stores: dict[str, _Store] = {}

    @property
    def sizes(self) -> dict[str, int]:
        """Number of images of each split."""
        return {split: len(examples) for split, examples in self.source.splits.items()}

    @property
    def warnings(self) -> tuple[str, ...]:
        """No warnings."""
        return ()

    @override
    def begin_stage(self, batch_size: int, augmentation: Augmentation | str, first_epoch: int) -> None:
        """Keep the batches as they are."""

    @override
    def setup(self, stage: str | None = None) -> None:
        """Do nothing: the data module was set up when it was opened."""

    def store(self, split: str) -> Any:
        """Return the examples of ``split`` for figures; of train the first ones only."""
        if split not in self._own_stores:
            examples: Any = self.source.splits[split]
            self._own_stores[split] = _Store(examples, SHOWN_OF_TRAIN if split == "train" else None)
        return self._own_stores[split]

    @override
    def class_weights(self) -> torch.Tensor:
        train: Any = self.source.splits["train"]
        counts = np.bincount(train.labels, minlength=len(self.classes))
        weights = 1 / np.maximum(counts, 1)
        return torch.from_numpy(weights / weights.mean()).float()

    @override
    def samples(self, split: str, indices: Sequence[int]) -> tuple[list[np.ndarray], Any]:
        examples: Any = self.source.splits[split]
        inputs = [examples.example(int(index))[0] for index in indices]
        pixels = [_shown(one) for one in inputs]
        if isinstance(inputs[0], tuple):
            raise UserError("the network has several inputs, and saliency maps are of one image")
        return pixels, torch.cat(inputs).float()

    @override
    def inputs(
        self, split: str, views: int = 1, batch_size: int = 32, rank: int = 0, world_size: int = 1
    ) -> Iterator[torch.Tensor]:
        for indices in torch.arange(len(self.source.splits[split])).split(batch_size):
            examples: Any = self.source.splits[split]
            inputs = [examples.example(int(index))[0] for index in indices]
            first = [one[0] if isinstance(one, tuple) else one for one in inputs]
            yield torch.cat(first).to(self.dtype)

    def train_dataloader(self) -> "_Batches":  # type: ignore[override]
        """Return the batches of the train split."""
        return _Batches(self.source.splits["train"])

    def val_dataloader(self) -> "_Batches":  # type: ignore[override]
        """Return the batches of the validation split."""
        return _Batches(self.source.splits["validation"])

    def test_dataloader(self) -> "_Batches":  # type: ignore[override]
        """Return the batches of the test split."""
        return _Batches(self.source.splits["test"])

    def on_after_batch_transfer(self, batch: LabelledBatch, dataloader_idx: int) -> LabelledBatch:
        """Let the user's data module change the batch on the device, as Lightning would."""
        module = self.source.module
        module.trainer = self.trainer
        inputs, labels = as_pair(
            module.on_after_batch_transfer((batch.inputs, batch.labels), dataloader_idx), "a batch"
        )
        if self.channels_last and isinstance(inputs, torch.Tensor) and inputs.ndim == 4:
            inputs = inputs.to(memory_format=torch.channels_last)
        return batch._replace(inputs=inputs, labels=labels)

    @override
    def release(self) -> None:
        """Let the user's data module clean up."""
        for stage in ("fit", "test"):
            self.source.module.teardown(stage)


class _Batches:
    """The batches of a loader of the user's own, with the place of each example in its split."""

    def __init__(self, examples: Any) -> None:
        self.loader = examples.loader
        self.sampler = getattr(self.loader, "sampler", None)
        self.batch_sampler = None

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[LabelledBatch]:
        place = 0
        for batch in self.loader:
            inputs, labels = as_pair(batch, "a batch")
            yield LabelledBatch(inputs, labels, torch.arange(place, place + len(labels)))
            place += len(labels)


def with_size(preprocessing: Preprocessing, source: ImageSource) -> Preprocessing:
    """Return ``preprocessing`` as the images of a data module of the user's own have it, if ``source`` is one."""
    if not isinstance(source, OwnModuleSource):
        return preprocessing
    return replace(preprocessing, size=source.size, channels=source.channels, crop_ratio=1.0, of_files=False)
