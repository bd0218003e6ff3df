"""Maps by trying: what happens to the score when a part of the image is covered."""

import torch
import torch.nn.functional as F
from torch import nn

from convscope.errors import UserError
from convscope.insight.frozen_network import Score, Targets, frozen
from convscope.insight.saliency.maps import Channels, same_for_all_channels

CHUNK = 32


def occlusion(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: Targets = None,
    *,
    window: int | tuple[int, int] | None = None,
    stride: int | tuple[int, int] | None = None,
    baseline: float = 0.0,
    chunk: int = CHUNK,
    score: Score = "logit",
    channels: Channels = "max",
    signed: bool = False,
    fold: bool = True,
) -> torch.Tensor:
    """How far the score falls when a window of the image is covered (Zeiler & Fergus 2014, section 4.2).

    A pixel gets the mean of all windows that cover it.

    Args:
        model, inputs, targets, score, fold: As for `convscope.insight.saliency.gradient`.
        window: Rows and columns of the window; None: an eighth of the image.
        stride: Its steps, not larger than itself; None: half of it. Windows at the far borders may stand out.
        baseline: What covers it; 0 is the mean image.
        chunk: Images a pass.
        channels: "none" repeats the map for each channel: all are covered together.
        signed: Keep the windows whose covering makes the score rise.

    Returns:
        Maps (N, H, W); with ``channels="none"`` (N, C, H, W).

    Raises:
        UserError: A class does not exist, or window or stride are too small or too large.
    """
    size = (inputs.shape[2], inputs.shape[3])
    rows, columns = _two(window, (max(1, size[0] // 8), max(1, size[1] // 8)))
    down, right = _two(stride, (max(1, rows // 2), max(1, columns // 2)))
    if not (1 <= rows <= size[0] and 1 <= columns <= size[1]):
        raise UserError(f"window={rows}×{columns}: must be 1×1 to the image's {size[0]}×{size[1]}")
    if not (1 <= down <= rows and 1 <= right <= columns):
        raise UserError(f"stride={down}×{right}: must be 1×1 to the window's {rows}×{columns}")
    tops = range(0, _places(size[0], rows, down) * down, down)
    lefts = range(0, _places(size[1], columns, right) * right, right)
    corners = [(top, left) for top in tops for left in lefts]
    with frozen(model, inputs, fold=fold) as network:
        classes = network.resolve(inputs, targets)
        maps = []
        for image, target in zip(inputs, classes, strict=True):
            whole = network.scores(image[None], target[None], score)
            falls = []
            for first in range(0, len(corners), chunk):
                part = corners[first : first + chunk]
                covered = image.repeat(len(part), 1, 1, 1)
                for copy, (top, left) in zip(covered, part, strict=True):
                    copy[:, top : top + rows, left : left + columns] = baseline
                falls.append(whole - network.scores(covered, target.expand(len(part)), score))
            maps.append(torch.cat(falls).view(1, len(tops), len(lefts)))
        kernel = inputs.new_ones(1, 1, rows, columns)
        spread = F.conv_transpose2d(torch.stack(maps), kernel, stride=(down, right))[..., : size[0], : size[1]]
        times = F.conv_transpose2d(torch.ones_like(maps[0])[None], kernel, stride=(down, right))
        mean = spread[:, 0] / times[0, 0, : size[0], : size[1]]
    return same_for_all_channels(mean, inputs.shape[1], channels, signed)


def _places(length: int, window: int, stride: int) -> int:
    """How many windows it takes to cover ``length``."""
    return -(-(length - window) // stride) + 1


def _two(value: int | tuple[int, int] | None, default: tuple[int, int]) -> tuple[int, int]:
    if value is None:
        return default
    return (value, value) if isinstance(value, int) else value
