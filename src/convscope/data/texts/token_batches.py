"""Batches of texts of similar length, whose content is a function of (seed, epoch, number) alone.

Texts are padded to the longest of their batch, so texts of one length belong together; but a batch of nothing else
would be the same in every epoch. So an epoch is shuffled, cut into stretches of many batches, and each stretch is
sorted by length; then the batches are shuffled.
"""

import numpy as np
import torch

from convscope.data.batches import ORDER, EpochOrder, ImageBatch
from convscope.data.texts.token_store import TokenStore
from convscope.data.texts.tokenizer import PADDING_ID

STRETCH = 50  # batches that are sorted together


class LengthOrder(EpochOrder):
    """Which texts make up which batch of an epoch, texts of similar length together.

    As `EpochOrder` it shares each batch among the processes, and leaves a batch of one text out of training. In
    evaluation all texts are sorted by length.
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

    def whole_batches(self) -> tuple[torch.Tensor, ...]:
        """Indices (N,) int64 of each batch of this epoch, of all processes together."""
        order = torch.cat(super().whole_batches()).numpy() if self._used else np.zeros(0, np.int64)
        size = self._batch_size
        stretch = size * STRETCH if self._shuffle else max(1, len(order))
        for start in range(0, len(order), stretch):
            part = order[start : start + stretch]
            order[start : start + stretch] = part[np.argsort(self._lengths[part], kind="stable")]
        batches = torch.from_numpy(order).split(size)
        if not self._shuffle:
            return batches
        places = np.random.default_rng([self._seed, ORDER, self.epoch, 0]).permutation(len(batches))
        return tuple(batches[place] for place in places.tolist())


class TokenBatchReader:
    """Reads a batch of a `TokenStore`, each text padded to the longest of the batch, and to ``least`` tokens."""

    def __init__(self, store: TokenStore, min_length: int = 1) -> None:
        self._store, self._least = store, min_length
        self._labels = torch.from_numpy(store.labels)

    def read(self, epoch: int, indices: torch.Tensor) -> ImageBatch:
        """The texts ``indices`` (N,), tokens (N, L) int64 as ``inputs``; they are the same in every ``epoch``."""
        self._store.touch()
        rows = indices.numpy()
        lengths = self._store.lengths[rows]
        within = np.arange(max(self._least, int(lengths.max(initial=1))))
        there = within < lengths[:, None]
        # In one go: a place of the store for each token, the first one of the text where there is none.
        places = self._store.offsets[rows][:, None] + np.where(there, within, 0)
        tokens = np.where(there, self._store.ids[places], PADDING_ID).astype(np.int64)
        return ImageBatch(torch.from_numpy(tokens), self._labels.index_select(0, indices), indices)
