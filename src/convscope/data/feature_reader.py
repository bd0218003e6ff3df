"""Batches of what a frozen prefix says of the images, in place of the images."""

from typing import Protocol

import numpy as np
import torch

from convscope.data.batches import ImageBatch

VIEWS = 2  # a stream of random numbers, beside those of `convscope.data.batches`


class FeatureSource(Protocol):
    """Features of N images in ``views`` versions each, such as ``transfer.feature_cache.Features``."""

    views: int

    def __len__(self) -> int:
        """Number of images."""

    def gather(self, indices: torch.Tensor, views: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        """Features of the images ``indices``, each in its view."""


class FeatureReader:
    """Reads batches of features. Of several views, an image shows each once in as many epochs, in turn.

    Which view comes first is drawn for each image by ``seed``, so that an epoch mixes them.
    """

    def __init__(self, features: FeatureSource, labels: np.ndarray, seed: int = 0) -> None:
        self._features, self._labels = features, torch.from_numpy(labels)
        first = np.random.default_rng([seed, VIEWS]).integers(0, features.views, len(labels))
        self._first = torch.from_numpy(first)

    def read(self, epoch: int, indices: torch.Tensor) -> ImageBatch:
        """The features of the images ``indices`` (N,) in the views of ``epoch``."""
        views = None
        if self._features.views > 1:
            views = (self._first.index_select(0, indices) + epoch) % self._features.views
        return ImageBatch(self._features.gather(indices, views), self._labels.index_select(0, indices), indices)
