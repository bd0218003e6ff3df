"""Saliency maps by perturbation: how the score changes when a part of the image is covered."""

import torch
import torch.nn.functional as F
from torch import nn

from convscope.errors import UserError
from convscope.insight.frozen_network import Score, Targets, frozen
from convscope.insight.saliency.maps import Channels, same_for_all_channels

CHUNK = 32  # images per forward pass


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
    """Return how far the score falls when a window of the image is covered (Zeiler & Fergus 2014, section 4.2).

    A pixel's value is the mean over all windows that cover it.

    Args:
        model, inputs, targets, score, fold: As for `convscope.insight.saliency.gradient`.
        window: Rows and columns of the window, in pixels; None: an eighth of the image.
        stride: Step of the window, in pixels, not larger than the window; None: half of it. Windows at the bottom and
            right borders may extend beyond the image.
        baseline: Value of covered pixels; 0 is the mean image.
        chunk: Images per forward pass.
        channels: "none" repeats the map for each channel, since all are covered together.
        signed: Keep negative values, where covering makes the score rise; else set them to 0.

    Returns:
        Maps (N, H, W); with ``channels="none"`` (N, C, H, W).

    Raises:
        UserError: A class does not exist, or ``window`` or ``stride`` is too small or too large.
    """
    size = (inputs.shape[2], inputs.shape[3])
    rows, columns = _pair(window, (max(1, size[0] // 8), max(1, size[1] // 8)))
    row_step, column_step = _pair(stride, (max(1, rows // 2), max(1, columns // 2)))
    if not (1 <= rows <= size[0] and 1 <= columns <= size[1]):
        raise UserError(f"window={rows}×{columns}: must be 1×1 to the image's {size[0]}×{size[1]}")
    if not (1 <= row_step <= rows and 1 <= column_step <= columns):
        raise UserError(f"stride={row_step}×{column_step}: must be 1×1 to the window's {rows}×{columns}")
    tops = range(0, _window_count(size[0], rows, row_step) * row_step, row_step)
    lefts = range(0, _window_count(size[1], columns, column_step) * column_step, column_step)
    corners = [(top, left) for top in tops for left in lefts]
    with frozen(model, inputs, fold=fold) as network:
        classes = network.resolve(inputs, targets)
        maps = []
        for image, target in zip(inputs, classes, strict=True):
            full_score = network.scores(image[None], target[None], score)
            drops = []
            for first in range(0, len(corners), chunk):
                part = corners[first : first + chunk]
                covered = image.repeat(len(part), 1, 1, 1)
                for copy, (top, left) in zip(covered, part, strict=True):
                    copy[:, top : top + rows, left : left + columns] = baseline
                drops.append(full_score - network.scores(covered, target.expand(len(part)), score))
            maps.append(torch.cat(drops).view(1, len(tops), len(lefts)))
        kernel = inputs.new_ones(1, 1, rows, columns)
        summed = F.conv_transpose2d(torch.stack(maps), kernel, stride=(row_step, column_step))[
            ..., : size[0], : size[1]
        ]
        coverage = F.conv_transpose2d(torch.ones_like(maps[0])[None], kernel, stride=(row_step, column_step))
        mean = summed[:, 0] / coverage[0, 0, : size[0], : size[1]]
    return same_for_all_channels(mean, inputs.shape[1], channels, signed)


def _window_count(length: int, window: int, stride: int) -> int:
    """Return how many windows it takes to cover ``length`` pixels."""
    return -(-(length - window) // stride) + 1


def _pair(value: int | tuple[int, int] | None, default: tuple[int, int]) -> tuple[int, int]:
    """Return ``value`` as rows and columns; None: ``default``."""
    if value is None:
        return default
    return (value, value) if isinstance(value, int) else value
