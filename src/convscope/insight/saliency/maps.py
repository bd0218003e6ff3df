"""From derivatives by every channel of every pixel to a map."""

from functools import reduce
from typing import Literal, get_args

import torch

from convscope.errors import UserError

Channels = Literal["max", "mean", "none"]
"""What becomes of a pixel's colour channels: the strongest of them, their mean, or each for itself."""


def reduce_channels(attributions: torch.Tensor, channels: Channels, signed: bool) -> torch.Tensor:
    """Attributions (N, C, ...) as maps (N, ...), with "none" (N, C, ...).

    Unsigned, "max" is max over c of ``|w_c|`` (Simonyan et al. 2014, section 3.1) and "mean" the mean of ``|w_c|``.
    Signed, "max" is the value of the channel whose magnitude is the largest, and "mean" the mean of the values.

    Raises:
        UserError: There is no such reduction.
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
    """Maps (N, H, W) of a method that knows no channels, with "none" (N, count, H, W); unsigned, what is positive.

    Raises:
        UserError: There is no such reduction.
    """
    if channels not in get_args(Channels):
        raise UserError(f"channels={channels}: must be one of {', '.join(get_args(Channels))}")
    values = maps if signed else maps.clamp(min=0)
    return values[:, None].expand(-1, count, -1, -1).contiguous() if channels == "none" else values
