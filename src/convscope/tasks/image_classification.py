"""Image classification: mixup and CutMix in training, flip averaging in tests."""

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

    def test_logits(self, inputs: Inputs) -> torch.Tensor:
        """Return the logits (N, classes); with ``flip_averaging``, averaged over the images and their mirror images."""
        logits = super().test_logits(inputs)
        if not self.objective.flip_averaging:
            return logits
        if isinstance(inputs, tuple):
            raise TypeError("features cannot be mirrored: test the images themselves")
        return (logits + super().test_logits(inputs.flip(-1))) / 2

    def mix(self, inputs: Inputs, targets: torch.Tensor) -> tuple[Inputs, torch.Tensor]:
        """Return mixed images and soft labels (N, classes) if mixup or CutMix is on, else the batch itself."""
        return (inputs, targets) if self._mix is None else self._mix(inputs, targets)
