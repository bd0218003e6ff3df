"""The objective of a training, and the interfaces of its batches and of networks with a loss of their own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import nn
from torchmetrics import Metric

from convscope.tasks.losses import CrossEntropy

Inputs = torch.Tensor | tuple[torch.Tensor, ...]


class Batch(Protocol):
    """A batch of a data module.

    Attributes:
        inputs: Images or tokens; or the features of a frozen prefix.
        labels: (N,) int64.
        indices: Index of each example in its split, (N,) int64.
        weight: Factor of this process's mean loss, if several processes share a batch; 0: the batch does not count.
    """

    inputs: Inputs
    labels: torch.Tensor
    indices: torch.Tensor
    weight: float


class TrainingLoss(Protocol):
    """``network.training_loss``, of a network that needs more than its logits for its loss.

    This may be auxiliary heads, the loss of the network's paper, or a rule that changes weights without a gradient.
    """

    def __call__(
        self,
        images: torch.Tensor,
        targets: torch.Tensor,
        criterion: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss, and the logits (N, classes).

        Args:
            images: Inputs of the batch.
            targets: Classes (N,), or soft labels (N, classes).
            criterion: Maps logits and targets to the loss of the objective.
        """


@dataclass(frozen=True)
class Objective:
    """The loss of a training, its mixing augmentations, and test-time flip averaging.

    Attributes:
        loss: Maps logits (N, classes), and labels (N,) or soft labels (N, classes), to a mean loss.
        mixup: alpha of mixup's Beta distribution (Zhang et al. 2018); 0 is off.
        cutmix: alpha of CutMix's Beta distribution (Yun et al. 2019); 0 is off. With both, each batch draws one.
        flip_averaging: Whether a test averages the logits of each image and of its mirror image.
        metrics: Metrics of the user's own, by name: each takes logits (N, classes) and labels (N,).
    """

    loss: nn.Module = field(default_factory=CrossEntropy)
    mixup: float = 0.0
    cutmix: float = 0.0
    flip_averaging: bool = False
    metrics: Mapping[str, Metric] = field(default_factory=dict)
