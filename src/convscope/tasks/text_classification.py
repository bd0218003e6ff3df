"""Text classification: layers may bound the weights of each class."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import torch

from convscope.tasks.classification import Classification


@runtime_checkable
class ConstrainedLayer(Protocol):
    """A layer whose weights are constrained after each step."""

    def constrain(self) -> None:
        """Bring the weights back within their bounds."""
        ...


class TextClassification(Classification):
    """Trains a network that maps tokens (N, L) int64, padded with 0, to logits (N, classes)."""

    def on_train_batch_end(self, outputs: torch.Tensor | Mapping[str, Any] | None, batch: Any, batch_idx: int) -> None:
        """Constrain the weights after the step (Kim 2014, section 2.1)."""
        for module in self.network.modules():
            if isinstance(module, ConstrainedLayer):
                module.constrain()
