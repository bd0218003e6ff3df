"""Batches of features that frozen layers computed from the images, in place of the images."""

from typing import Protocol

import numpy as np
import torch

from convscope.data.batches import LabelledBatch

VIEWS = 2  # a random stream of its own, independent of those of `convscope.data.batches`


class FeatureSource(Protocol):
    """Features of N images, such as ``transfer.feature_cache.Features``.

    Attributes:
        views: Number of versions of each image, augmented differently.
    """

    views: int

    def __len__(self) -> int:
        """Return the number of images."""

    def gather(self, indices: torch.Tensor, views: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        """Return the features of the images ``indices`` (N,), each in its view of ``views`` (N,), or all in view 0."""


class FeatureReader:
    """Reads batches of features.

    With V views, an image goes through all of them in V epochs, one view an epoch. Its first view is drawn with
    ``seed``, for each image separately, so that an epoch mixes the views.

    Args:
        features: The features of all images of a split.
        labels: The labels (N,) of these images.
        seed: Determines the first view of each image.
    """

    def __init__(self, features: FeatureSource, labels: np.ndarray, seed: int = 0) -> None:
        self._features, self._labels = features, torch.from_numpy(labels)
        first = np.random.default_rng([seed, VIEWS]).integers(0, features.views, len(labels))
        self._first = torch.from_numpy(first)

    def read(self, epoch: int, indices: torch.Tensor) -> LabelledBatch:
        """Return the features of the images ``indices`` (N,) int64, in their views of ``epoch``."""
        views = None
        if self._features.views > 1:
            views = (self._first.index_select(0, indices) + epoch) % self._features.views
        return LabelledBatch(self._features.gather(indices, views), self._labels.index_select(0, indices), indices)
