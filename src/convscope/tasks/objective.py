"""What is minimised, on what."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

Inputs = torch.Tensor | tuple[torch.Tensor, ...]


class Batch(Protocol):
    """What a data module hands over."""

    inputs: Inputs  # images or tokens; or the features of a frozen prefix
    labels: torch.Tensor  # (N,) int64
    indices: torch.Tensor  # (N,) int64: which examples of their split
    weight: float  # of several processes' parts of a batch: what this one's mean weighs; 0: it does not count


class TrainingLoss(Protocol):
    """``network.training_loss``, where a network knows more about its training than its logits tell.

    Auxiliary heads, an error of its paper's own, or a rule that changes weights without a gradient. It gets the
    batch and the criterion, and gives the loss and the logits.
    """

    def __call__(
        self,
        images: torch.Tensor,
        targets: torch.Tensor,
        criterion: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss, and logits (N, classes)."""


@dataclass(frozen=True)
class Objective:
    """What is minimised.

    Attributes:
        label_smoothing: Share of the target spread over all classes (Szegedy et al. 2016, section 7).
        class_weights: Weight of each class in the loss, (classes,), or None for equal ones.
        mixup: alpha of mixup's Beta distribution (Zhang et al. 2018); 0 is off.
        cutmix: alpha of CutMix's Beta distribution (Yun et al. 2019); 0 is off. With both, each batch draws one.
        flip_averaging: Whether a test also sees each image's mirror image.
    """

    label_smoothing: float = 0.0
    class_weights: torch.Tensor | None = None
    mixup: float = 0.0
    cutmix: float = 0.0
    flip_averaging: bool = False
