"""Batches of texts of similar length, whose content depends only on the seed, the epoch and the number of the batch.

Texts are padded to the longest of their batch, so there is least padding if all texts of a batch have the same length;
but sorting all texts by length would give the same batches in every epoch. Therefore an epoch is shuffled, cut into
stretches of many batches, and each stretch is sorted by length; then the batches are shuffled.
"""

import numpy as np
import torch
from typing_extensions import override

from convscope.data.batches import ORDER_STREAM, EpochBatchSampler, LabelledBatch
from convscope.data.texts.token_store import TokenStore
from convscope.data.texts.tokenizer import PADDING_ID

BATCHES_PER_STRETCH = 50  # batches that are sorted together


class LengthGroupedBatchSampler(EpochBatchSampler):
    """Assigns the texts of a split to the batches of each epoch, texts of similar length together.

    Like `EpochBatchSampler`, it shares each batch among the processes, and leaves a batch of one text out of training.
    Without ``shuffle``, as in evaluation, all texts are sorted by length.

    Args:
        lengths: (N,) int64, the number of tokens of each text; the other arguments are those of `EpochBatchSampler`.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        batch_size: int,
        *,
        seed: int,
        training: bool,
        shuffle: bool,
        rank: int,
        world_size: int,
        first_epoch: int = 0,
    ) -> None:
        super().__init__(
            len(lengths),
            batch_size,
            seed=seed,
            training=training,
            shuffle=shuffle,
            rank=rank,
            world_size=world_size,
            first_epoch=first_epoch,
        )
        self._lengths = lengths

    @override
    def global_batches(self) -> tuple[torch.Tensor, ...]:
        order = torch.cat(super().global_batches()).numpy() if self._used else np.zeros(0, np.int64)
        size = self._batch_size
        stretch_size = size * BATCHES_PER_STRETCH if self._shuffle else max(1, len(order))
        for start in range(0, len(order), stretch_size):
            part = order[start : start + stretch_size]
            order[start : start + stretch_size] = part[np.argsort(self._lengths[part], kind="stable")]
        batches = torch.from_numpy(order).split(size)
        if not self._shuffle:
            return batches
        batch_order = np.random.default_rng([self._seed, ORDER_STREAM, self.epoch, 0]).permutation(len(batches))
        return tuple(batches[number] for number in batch_order.tolist())


class TokenBatchReader:
    """Reads batches of a `TokenStore`; pads texts to the longest of the batch, or to ``min_length`` if larger."""

    def __init__(self, store: TokenStore, min_length: int = 1) -> None:
        self._store, self._min_length = store, min_length
        self._labels = torch.from_numpy(store.labels)

    def read(self, epoch: int, indices: torch.Tensor) -> LabelledBatch:
        """Return the texts ``indices`` (N,), with token ids (N, L) int64 as ``inputs``, the same in every ``epoch``."""
        self._store.touch()
        rows = indices.numpy()
        lengths = self._store.lengths[rows]
        positions = np.arange(max(self._min_length, int(lengths.max(initial=1))))
        is_token = positions < lengths[:, None]
        # One gather for the whole batch: padding reads the first token of its text, and is overwritten below.
        indices_in_store = self._store.offsets[rows][:, None] + np.where(is_token, positions, 0)
        tokens = np.where(is_token, self._store.ids[indices_in_store], PADDING_ID).astype(np.int64)
        return LabelledBatch(torch.from_numpy(tokens), self._labels.index_select(0, indices), indices)
