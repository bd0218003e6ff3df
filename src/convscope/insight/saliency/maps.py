"""Reducing attributions of every channel of every pixel to a map."""

from functools import reduce
from typing import Literal, get_args

import torch

from convscope.errors import UserError

Channels = Literal["max", "mean", "none"]
"""How a pixel's colour channels become one value: the largest in magnitude, the mean, or "none": each is kept."""


def reduce_channels(attributions: torch.Tensor, channels: Channels, signed: bool) -> torch.Tensor:
    """Reduce attributions (N, C, ...) to maps (N, ...); with "none" they stay (N, C, ...).

    Unsigned, "max" is max over c of ``|w_c|`` (Simonyan et al. 2014, section 3.1) and "mean" the mean of ``|w_c|``.
    Signed, "max" is the value of the channel with the largest magnitude, and "mean" the mean of the values.

    Raises:
        UserError: ``channels`` is unknown.
    """
    values = attributions if signed else attributions.abs()
    match channels:
        case "none":
            return values.contiguous()
        case "mean":
            return values.mean(dim=1)
        case "max" if signed:
            return values.gather(1, values.abs().argmax(dim=1, keepdim=True))[:, 0].contiguous()
        case "max":
            # Channel by channel: a reduction over a last axis of three takes twice as long.
            few = values.shape[1] <= 4
            return reduce(torch.maximum, values.unbind(1)).contiguous() if few else values.amax(dim=1).contiguous()
    raise UserError(f"channels={channels}: must be one of {', '.join(get_args(Channels))}")


def same_for_all_channels(maps: torch.Tensor, count: int, channels: Channels, signed: bool) -> torch.Tensor:
    """Apply ``channels`` and ``signed`` to maps (N, H, W) of a method that does not tell channels apart.

    With "none" each map is repeated: (N, count, H, W). Unsigned, negative values become 0.

    Raises:
        UserError: ``channels`` is unknown.
    """
    if channels not in get_args(Channels):
        raise UserError(f"channels={channels}: must be one of {', '.join(get_args(Channels))}")
    values = maps if signed else maps.clamp(min=0)
    return values[:, None].expand(-1, count, -1, -1).contiguous() if channels == "none" else values
