"""Text classification: what is particular to texts, a bound on the weights of a class."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import torch

from convscope.tasks.classification import Classification


@runtime_checkable
class ConstrainedLayer(Protocol):
    """A layer whose weights are brought back into bounds after each step."""

    def constrain(self) -> None:
        """Bring them back."""
        ...


class TextClassification(Classification):
    """Trains a network that maps tokens (N, L) int64, padded with 0, to logits (N, classes)."""

    def on_train_batch_end(self, outputs: torch.Tensor | Mapping[str, Any] | None, batch: Any, batch_idx: int) -> None:
        """After the step: bound what is bounded (Kim 2014, section 2.1)."""
        for module in self.network.modules():
            if isinstance(module, ConstrainedLayer):
                module.constrain()
