"""Batches whose content depends on the seed, the epoch and the number of the batch alone.

The order of an epoch and the augmentation of each image depend neither on the number of workers nor on earlier
random draws, and the global generators of PyTorch, NumPy and Python are left unchanged. So a run that was interrupted
within an epoch continues with the batches that it would have seen without the interruption.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, cast

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler, SequentialSampler

if TYPE_CHECKING:
    from pytorch_lightning import Trainer

T = TypeVar("T")

ORDER_STREAM, AUGMENTATION = 0, 1  # independent random streams for the order and for the augmentation


class LabelledBatch(NamedTuple):
    """A batch of images or texts, or of the features that frozen layers computed from them, with the labels.

    Attributes:
        inputs: Images (N, C, H, W), uint8 until they are normalised; the tokens of texts (N, L) int64; or features, a
            tuple of tensors (N, ...).
        labels: (N,) int64.
        indices: (N,) int64, the indices of the images in their `ImageStore`, or of the texts in their `TokenStore`.
        weight: If several processes share a batch, the weight of this part's mean when the means of all parts are
            averaged: 1 if all parts have the same size, 0 if the examples of this part do not count.
    """

    inputs: torch.Tensor | tuple[torch.Tensor, ...]
    labels: torch.Tensor
    indices: torch.Tensor
    weight: float = 1.0

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "LabelledBatch":
        """Return the batch on ``device``. A copy from pinned memory to a GPU is not waited for."""
        device = torch.device(device)
        if device.type == "cpu" and self.labels.device.type == "cpu":
            return self
        non_blocking = non_blocking or (device.type == "cuda" and self.labels.is_pinned())
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "LabelledBatch":
        """Return the batch in page-locked memory, from which a GPU copies while the CPU goes on."""
        return self._map(torch.Tensor.pin_memory)

    def _map(self, function: Callable[[torch.Tensor], torch.Tensor]) -> "LabelledBatch":
        """Return the batch with ``function`` applied to each of its tensors."""
        inputs = self.inputs
        mapped = tuple(map(function, inputs)) if isinstance(inputs, tuple) else function(inputs)
        return LabelledBatch(mapped, function(self.labels), function(self.indices), self.weight)


class Reader(Protocol):
    """Reads batches of examples."""

    def read(self, epoch: int, indices: torch.Tensor) -> LabelledBatch:
        """Return the batch of the examples ``indices`` (N,) int64, as augmented in ``epoch``."""


class EpochBatchSampler:
    """Assigns the examples of a split to the batches of each epoch.

    Training examples are shuffled anew every epoch, evaluation examples keep their order. A last batch of one example
    is left out of training, because BatchNorm cannot normalise it.

    If several processes train together, each reads every ``world_size``-th example of every batch: the batches, and
    their number, are those of a single process, and no example is used twice. If the last batch has fewer examples
    than there are processes, a process without one reads an example with `weight` 0, so that all processes make the
    same number of steps.

    Args:
        examples: Number of examples of the split.
        batch_size: Of all processes together.
        seed: Determines the order, together with the epoch.
        training: Whether the batches are for training: a last batch of one example is then left out.
        shuffle: Whether the examples are shuffled.
        rank: Number of this process.
        world_size: Number of processes.
        first_epoch: Number of epochs of the earlier stages, added to the stage's epoch.
    """

    def __init__(
        self,
        examples: int,
        batch_size: int,
        *,
        seed: int,
        training: bool,
        shuffle: bool,
        rank: int,
        world_size: int,
        first_epoch: int = 0,
    ) -> None:
        self.epoch = self._first_epoch = first_epoch
        self._examples, self._batch_size, self._seed = examples, batch_size, seed
        self._shuffle, self._rank, self._world_size = shuffle, rank, world_size
        self._used = examples - 1 if training and examples > batch_size > 1 == examples % batch_size else examples

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch. Lightning calls this before every epoch, also after a resume.

        Args:
            epoch: The epoch as the trainer of a stage counts, from 0 at the start of the stage.
        """
        self.epoch = self._first_epoch + epoch

    def __len__(self) -> int:
        return -(-self._used // self._batch_size)

    def batches(self) -> tuple[torch.Tensor, ...]:
        """Return the indices (N,) int64 of this process's part of each batch of this epoch."""
        return tuple(self.shard(whole) for whole in self.global_batches())

    def shard(self, whole: torch.Tensor) -> torch.Tensor:
        """Return this process's part of ``whole``, the indices of a batch; at least one of them."""
        part = whole[self._rank :: self._world_size] if self._world_size > 1 else whole
        return part if len(part) else whole[:1]

    def global_batches(self) -> tuple[torch.Tensor, ...]:
        """Return the indices (N,) int64 of each batch of this epoch, for all processes together."""
        order = np.arange(self._examples)
        if self._shuffle:
            order = np.random.default_rng([self._seed, ORDER_STREAM, self.epoch]).permutation(self._examples)
        return torch.from_numpy(order[: self._used]).split(self._batch_size)

    def weight(self, whole: torch.Tensor) -> float:
        """Return the weight of this process's part of the batch ``whole``: see `LabelledBatch`."""
        return len(range(self._rank, len(whole), self._world_size)) * self._world_size / len(whole)


class _BatchQueue(Sampler[tuple[int, np.ndarray]]):
    """The batches that the workers read next, in order: an epoch and indices (N,) each."""

    items: list[tuple[int, np.ndarray]]

    def __init__(self) -> None:
        self.items = []

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def _unchanged(batch: Any) -> Any:
    return batch


class BatchLoader:
    """Iterates over the batches of an epoch, in place of a `DataLoader`.

    Readers return whole batches, so that nothing has to be collated, and the 60 µs that a `DataLoader` takes for a
    batch are saved. Only if there are ``workers``, a `DataLoader` is used inside. Lightning calls ``set_epoch`` of the
    attribute ``sampler``, and saves and loads the state with which it resumes within an epoch.

    Lightning makes the first iterator of a run before it sets the epoch. So no order is drawn and no worker is started
    before the first batch is requested.

    Args:
        reader: Reads the batches.
        order: Assigns the examples to the batches.
        workers: Number of worker processes; 0 to read in this process.
        pin_memory: Whether batches are returned in page-locked memory.
        position: Returns the number of batches of this epoch that are already done. None to continue where
            `load_state_dict` says.
        shuffled: Whether the order is shuffled.
    """

    batch_sampler = None  # Lightning checks it to find out whether an evaluation is shuffled

    def __init__(
        self,
        reader: Reader,
        order: EpochBatchSampler,
        *,
        workers: int = 0,
        pin_memory: bool = False,
        position: Callable[[], int] | None = None,
        shuffled: bool = True,
    ) -> None:
        self.order = order
        self.sampler: Any = order if shuffled else SequentialSampler(range(len(order)))
        self._reader, self._pin_memory, self._position = reader, pin_memory, position
        self._progress = {"epoch": 0, "batches": 0}
        self._resume_from: dict[str, int] | None = None
        self._queue = _BatchQueue()
        self._worker_loader: DataLoader[LabelledBatch] | None = None
        if workers:
            self._worker_loader = DataLoader(
                cast(Dataset[LabelledBatch], reader),  # every reader that is used with workers is a Dataset
                batch_size=None,
                sampler=self._queue,
                num_workers=workers,
                persistent_workers=True,
                pin_memory=pin_memory,
                collate_fn=_unchanged,
                generator=torch.Generator(),  # otherwise it draws from the global one
            )

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[LabelledBatch]:
        epoch = self.order.epoch
        first = self._first_batch(epoch)
        wholes = self.order.global_batches()[first:]
        batches = self._read(epoch, tuple(map(self.order.shard, wholes)))
        for number, (whole, batch) in enumerate(zip(wholes, batches, strict=True), start=first + 1):
            self._progress = {"epoch": epoch, "batches": number}
            weight = self.order.weight(whole)
            yield batch if weight == 1.0 else batch._replace(weight=weight)

    def _read(self, epoch: int, batches: tuple[torch.Tensor, ...]) -> Iterator[LabelledBatch]:
        if self._worker_loader is not None:
            self._queue.items = [(epoch, indices.numpy()) for indices in batches]
            yield from self._worker_loader
        elif self._pin_memory:
            yield from (self._reader.read(epoch, indices).pin_memory() for indices in batches)
        else:
            read = self._reader.read
            yield from (read(epoch, indices) for indices in batches)

    def _first_batch(self, epoch: int) -> int:
        """Return the number of the first batch: 0, or after a resume the one after the last that was trained on.

        ``position`` takes precedence over the state of `load_state_dict`. Lightning does not pass the state of its
        checkpoint to a loader that was made before it read the checkpoint, and a loader is made that early whenever a
        learning rate schedule needs the number of steps.
        """
        resumed, self._resume_from = self._resume_from, None
        if self._position is not None:
            return self._position()
        if resumed is None:
            return 0
        return resumed["batches"] if resumed["epoch"] == epoch else 0

    def state_dict(self) -> dict[str, int]:
        """Return the epoch and the number of its batches that were already yielded."""
        return dict(self._progress)

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Start the next iteration after the batches that had been yielded when ``state`` was saved."""
        self._resume_from = dict(state)

    def close(self) -> None:
        """End the worker processes."""
        self._worker_loader = None


def completed_batches(trainer: "Trainer") -> int:
    """Return how many batches of the epoch that ``trainer`` begins or resumes are already done; 0 outside training.

    A batch that was being trained on when the run was interrupted is not done.
    """
    return trainer.fit_loop.epoch_loop.batch_progress.current.ready if trainer.training else 0


def shard(items: Sequence[T], rank: int, world_size: int) -> Sequence[T]:
    """Return the contiguous part of ``items`` that belongs to process ``rank`` of ``world_size``.

    The parts of all processes, one after the other, are ``items``.
    """
    return items[len(items) * rank // world_size : len(items) * (rank + 1) // world_size]
