"""Batches whose content is a function of (seed, epoch, number) alone.

The order of an epoch, and the random changes of each image, depend neither on the number of workers nor
on what was drawn before, and PyTorch's, NumPy's and Python's global generators are left as they are. So a
run that was interrupted within an epoch continues with the batches that it would have seen.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, cast

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler, SequentialSampler

if TYPE_CHECKING:
    from pytorch_lightning import Trainer

T = TypeVar("T")

ORDER, AUGMENTATION = 0, 1  # streams of random numbers, of the order and of the changes


class ImageBatch(NamedTuple):
    """``inputs`` (N, C, H, W), uint8 until they are normalised, or what a frozen prefix said of them, a tuple of
    tensors (N, ...); ``labels`` and ``indices`` (N,) int64.

    ``indices`` are those of the `ImageStore` that the images are from. Where several processes share a batch,
    ``share`` is what the mean over this part weighs in the mean of all parts' means: 1 for parts of one size, 0 where
    the images do not count.
    """

    inputs: torch.Tensor | tuple[torch.Tensor, ...]
    labels: torch.Tensor
    indices: torch.Tensor
    weight: float = 1.0

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "ImageBatch":
        """The batch on ``device``; from pinned memory without waiting for the copy."""
        device = torch.device(device)
        if device.type == "cpu" and self.labels.device.type == "cpu":
            return self
        ahead = non_blocking or (device.type == "cuda" and self.labels.is_pinned())
        return self._each(lambda tensor: tensor.to(device, non_blocking=ahead))

    def pin_memory(self) -> "ImageBatch":
        """The batch in page-locked memory, from which a GPU copies while the CPU goes on."""
        return self._each(torch.Tensor.pin_memory)

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "ImageBatch":
        inputs = self.inputs
        changed = tuple(map(change, inputs)) if isinstance(inputs, tuple) else change(inputs)
        return ImageBatch(changed, change(self.labels), change(self.indices), self.weight)


class Reader(Protocol):
    """Gives the batch of the images ``indices`` (N,) int64 as they are in an epoch."""

    def read(self, epoch: int, indices: torch.Tensor) -> ImageBatch:
        """The batch."""


class EpochOrder:
    """Which images make up which batch of an epoch.

    Shuffled, anew every epoch, for training; in their order for evaluation. A last batch of one image is left
    out of training: BatchNorm cannot normalise it.

    ``batch_size`` is that of all processes together. Of several (``rank`` of ``world_size``) each has every
    ``world_size``-th image of every batch: the batches, and their number, are those that one process would have,
    and no image is used twice. Where the last batch has fewer images than there are processes, a process that
    gets none reads one whose ``share`` is 0, so that all make as many steps.
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
        self._images, self._batch_size, self._seed = examples, batch_size, seed
        self._shuffle, self._rank, self._world_size = shuffle, rank, world_size
        self._used = examples - 1 if training and examples > batch_size > 1 == examples % batch_size else examples

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before every epoch, also after a resume; a stage's trainer counts from 0."""
        self.epoch = self._first_epoch + epoch

    def __len__(self) -> int:
        return -(-self._used // self._batch_size)

    def batches(self) -> tuple[torch.Tensor, ...]:
        """Indices (N,) int64 of this process's part of each batch of this epoch."""
        return tuple(self.shard(whole) for whole in self.whole_batches())

    def shard(self, whole: torch.Tensor) -> torch.Tensor:
        """What this process has of the batch ``whole``; never nothing."""
        mine = whole[self._rank :: self._world_size] if self._world_size > 1 else whole
        return mine if len(mine) else whole[:1]

    def whole_batches(self) -> tuple[torch.Tensor, ...]:
        """Indices (N,) int64 of each batch of this epoch, of all processes together."""
        order = np.arange(self._images)
        if self._shuffle:
            order = np.random.default_rng([self._seed, ORDER, self.epoch]).permutation(self._images)
        return torch.from_numpy(order[: self._used]).split(self._batch_size)

    def weight(self, whole: torch.Tensor) -> float:
        """What the part of this process weighs: see `ImageBatch`."""
        return len(range(self._rank, len(whole), self._world_size)) * self._world_size / len(whole)


class _Plan(Sampler[tuple[int, np.ndarray]]):
    """What the workers are to read, batch after batch."""

    items: list[tuple[int, np.ndarray]]

    def __init__(self) -> None:
        self.items = []

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def _as_it_is(batch: Any) -> Any:
    return batch


class BatchLoader:
    """What Lightning iterates over: an epoch of `ImageBatch`.

    Not a `DataLoader`: nothing is to be collated, and of its 60 µs a batch none is spent. One is used
    inside where there are ``workers``. Lightning finds the attribute ``sampler``, whose ``set_epoch`` it
    calls, and the state with which it resumes within an epoch.

    Lightning makes the first iterator of a run before it sets the epoch: nothing is decided, and no worker
    started, before the first batch is asked for.
    """

    batch_sampler = None  # Lightning looks at it, to tell whether an evaluation is shuffled

    def __init__(
        self,
        reader: Reader,
        order: EpochOrder,
        *,
        workers: int = 0,
        pin_memory: bool = False,
        position: Callable[[], int] | None = None,
        shuffled: bool = True,
    ) -> None:
        self.order = order
        self.sampler: Any = order if shuffled else SequentialSampler(range(len(order)))
        self._reader, self._pin_memory, self._position = reader, pin_memory, position
        self._at = {"epoch": 0, "batches": 0}
        self._resume_from: dict[str, int] | None = None
        self._plan = _Plan()
        self._in_workers: DataLoader[ImageBatch] | None = None
        if workers:
            self._in_workers = DataLoader(
                cast(Dataset[ImageBatch], reader),  # nothing else is given workers
                batch_size=None,
                sampler=self._plan,
                num_workers=workers,
                persistent_workers=True,
                pin_memory=pin_memory,
                collate_fn=_as_it_is,
                generator=torch.Generator(),  # otherwise it draws from the global one
            )

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[ImageBatch]:
        epoch = self.order.epoch
        first = self._first_batch(epoch)
        wholes = self.order.whole_batches()[first:]
        read = self._read(epoch, tuple(map(self.order.shard, wholes)))
        for number, (whole, batch) in enumerate(zip(wholes, read, strict=True), start=first + 1):
            self._at = {"epoch": epoch, "batches": number}
            weight = self.order.weight(whole)
            yield batch if weight == 1.0 else batch._replace(weight=weight)

    def _read(self, epoch: int, batches: tuple[torch.Tensor, ...]) -> Iterator[ImageBatch]:
        if self._in_workers is not None:
            self._plan.items = [(epoch, indices.numpy()) for indices in batches]
            yield from self._in_workers
        elif self._pin_memory:
            yield from (self._reader.read(epoch, indices).pin_memory() for indices in batches)
        else:
            read = self._reader.read
            yield from (read(epoch, indices) for indices in batches)

    def _first_batch(self, epoch: int) -> int:
        """0 but after a resume: then the batch after the last one that was trained on.

        A trainer is asked where it is. It would hand over the state of its checkpoint, but not where somebody asked
        for the number of steps before it had read that, as a schedule of the learning rate must.
        """
        resumed, self._resume_from = self._resume_from, None
        if self._position is not None:
            return self._position()
        if resumed is None:
            return 0
        return resumed["batches"] if resumed["epoch"] == epoch else 0

    def state_dict(self) -> dict[str, int]:
        """How far the epoch is: its number and the batches handed out."""
        return dict(self._at)

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Let the next iteration begin where ``state`` was taken."""
        self._resume_from = dict(state)

    def close(self) -> None:
        """End the workers."""
        self._in_workers = None


def completed_batches(trainer: "Trainer") -> int:
    """Of the epoch that a training begins or resumes; a batch that was under way at the interruption is not done."""
    return trainer.fit_loop.epoch_loop.batch_progress.current.ready if trainer.training else 0


def shard(items: Sequence[T], rank: int, world_size: int) -> Sequence[T]:
    """The part of ``items`` that process ``rank`` of ``world_size`` has: one after the other they are all."""
    return items[len(items) * rank // world_size : len(items) * (rank + 1) // world_size]
