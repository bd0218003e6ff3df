"""Image classification: what is particular to images, which can be mixed."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from convscope.tasks.classification import Classification
from convscope.tasks.mixup import build_mixing
from convscope.tasks.objective import Inputs, Objective


class ImageClassification(Classification):
    """Trains a network that maps normalised images (N, C, H, W) to logits (N, classes), with mixup and CutMix."""

    def __init__(
        self,
        network: nn.Module,
        classes: Sequence[str],
        objective: Objective | None = None,
        description: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(network, classes, objective, description)
        self._mix = build_mixing(self.objective, len(self.classes))

    def answers(self, inputs: Inputs) -> torch.Tensor:
        """Logits (N, classes); with ``flip_averaging``, their mean over the images and their mirror images."""
        logits = super().answers(inputs)
        if not self.objective.flip_averaging:
            return logits
        if isinstance(inputs, tuple):
            raise TypeError("features cannot be mirrored: test the images themselves")
        return (logits + super().answers(inputs.flip(-1))) / 2

    def mixed(self, inputs: Inputs, targets: torch.Tensor) -> tuple[Inputs, torch.Tensor]:
        """Images and shares of classes, where mixup or CutMix is on."""
        return (inputs, targets) if self._mix is None else self._mix(inputs, targets)
