"""Muon in single precision: timm's makes its products in bfloat16, for minutes on a CPU that has no such unit."""

import functools

import pytest
import torch
from timm.optim import muon


def multiply_in_single_precision(patch: pytest.MonkeyPatch) -> None:
    """Make every Muon of this process multiply in single precision, until ``patch`` is undone."""
    patch.setattr(
        muon, "zeropower_via_newtonschulz", functools.partial(muon.zeropower_via_newtonschulz, dtype=torch.float32)
    )
