"""The losses that ``task.loss`` names: modules that map logits and targets to a mean loss."""

import torch
import torch.nn.functional as F
from torch import nn


class CrossEntropy(nn.Module):
    """Cross-entropy of logits (N, classes) for labels (N,) or soft labels (N, classes).

    Args:
        class_weights: Weight of each class, (classes,), or None for equal ones.
        label_smoothing: Share of the target spread over all classes (Szegedy et al. 2016, section 7).
    """

    class_weights: torch.Tensor | None

    def __init__(self, class_weights: torch.Tensor | None = None, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.label_smoothing = label_smoothing

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss, a scalar."""
        return F.cross_entropy(logits, targets, self.class_weights, label_smoothing=self.label_smoothing)
