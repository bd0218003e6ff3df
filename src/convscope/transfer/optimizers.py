"""The optimizers that ``transfer.optimizer`` names."""

from collections.abc import Sequence
from typing import Any

import torch

from convscope.config.transfer import StageConfig

ParameterGroups = Sequence[dict[str, Any]]


def adamw(groups: ParameterGroups, fused: bool) -> torch.optim.Optimizer:
    """Return AdamW (Loshchilov & Hutter 2019, algorithm 2)."""
    return torch.optim.AdamW(groups, fused=fused)


def sgd(groups: ParameterGroups, stage: StageConfig, fused: bool) -> torch.optim.Optimizer:
    """Return stochastic gradient descent with Nesterov's momentum, ``transfer.momentum``."""
    return torch.optim.SGD(groups, momentum=stage.momentum, nesterov=stage.momentum > 0, fused=fused)


def muon(groups: ParameterGroups, stage: StageConfig) -> torch.optim.Optimizer:
    """Return Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks").

    The momentum of a weight, as a matrix with one row per output, is replaced by the nearest matrix with orthogonal
    rows or columns. It is scaled as in Liu et al. 2025, "Muon is scalable for LLM training", eq. 4, so that the
    learning rates of AdamW suit it. Vectors, and matrices too thin for it, are trained with AdamW.
    """
    from convscope.lean_timm import Muon

    return Muon(groups, momentum=stage.momentum, nesterov=True)
