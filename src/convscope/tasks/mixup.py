"""Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019): they mix the images and the classes of a batch."""

from typing import Any

from torch import nn

from convscope.tasks.objective import Objective


def build_mixing(objective: Objective, classes: int) -> Any:
    """Return torchvision's mixup or CutMix or a random choice between them; None if both are off."""
    if objective.mixup <= 0 and objective.cutmix <= 0:
        return None
    from torchvision.transforms import v2

    choices: list[nn.Module] = []
    if objective.mixup > 0:
        choices.append(v2.MixUp(alpha=objective.mixup, num_classes=classes))
    if objective.cutmix > 0:
        choices.append(v2.CutMix(alpha=objective.cutmix, num_classes=classes))
    return v2.RandomChoice(choices) if len(choices) > 1 else choices[0]
