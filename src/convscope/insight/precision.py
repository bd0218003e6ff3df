"""The most precise floating-point dtype of a device: Apple's GPUs have no float64."""

from functools import cache

import torch


def widest(device: torch.device) -> torch.dtype:
    """Return float64 if ``device`` supports it, else float32."""
    return torch.float64 if _has_float64(device) else torch.float32


@cache
def _has_float64(device: torch.device) -> bool:
    """Return whether ``device`` supports float64."""
    try:
        torch.zeros(1, device=device).to(torch.float64)
    except (TypeError, RuntimeError):  # MPS raises the first, other backends the second
        return False
    return True
