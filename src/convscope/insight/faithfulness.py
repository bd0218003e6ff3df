"""Are the maps right? Curves of deletion and insertion, the pointing game, the mass inside the object."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from convscope.errors import UserError
from convscope.insight.frozen_network import Targets, frozen
from convscope.insight.precision import widest

CHUNK = 32
BLUR = 5 / 224  # standard deviation as a share of the image's side; Petsiuk et al. blur 224 pixels by 5


@dataclass(frozen=True)
class Curve:
    """The probability of the class while the image is taken away, or put back, pixel by pixel.

    Attributes:
        shares: (steps + 1,) of the pixels changed, 0 to 1.
        probabilities: (N, steps + 1).
    """

    shares: torch.Tensor
    probabilities: torch.Tensor

    @property
    def area(self) -> torch.Tensor:
        """Area under each curve, (N,), by the trapezoidal rule: 0 to 1."""
        return torch.trapezoid(self.probabilities, self.shares, dim=1)


def deletion(
    model: nn.Module,
    inputs: torch.Tensor,
    maps: torch.Tensor,
    targets: Targets = None,
    *,
    steps: int = 20,
    baseline: float | Literal["blur"] = 0.0,
    chunk: int = CHUNK,
) -> Curve:
    """Pixels are replaced by ``baseline``, the strongest of the map first (Petsiuk et al. 2018, section 4.1).

    A faithful map makes the probability fall early: a small area is good.

    Args:
        model: Images (N, C, H, W) to logits (N, classes).
        inputs: The images.
        maps: Their maps (N, H, W); of equal pixels the first in reading order goes first.
        targets: As for `convscope.insight.saliency.gradient`.
        steps: Points of the curve after the first.
        baseline: What replaces a pixel: a number (0 is the mean image), or "blur", the blurred image.
        chunk: Images a pass.

    Raises:
        UserError: The maps are not of the images' size, or a class does not exist.
    """
    return _curve(model, inputs, _replaced(inputs, baseline), maps, targets, steps, chunk)


def insertion(
    model: nn.Module,
    inputs: torch.Tensor,
    maps: torch.Tensor,
    targets: Targets = None,
    *,
    steps: int = 20,
    baseline: float | Literal["blur"] = "blur",
    chunk: int = CHUNK,
) -> Curve:
    """Pixels of the image are put into ``baseline``, the strongest of the map first: a large area is good.

    Arguments and errors are those of `deletion`.
    """
    return _curve(model, _replaced(inputs, baseline), inputs, maps, targets, steps, chunk, of=inputs)


def deletion_and_insertion(
    model: nn.Module,
    inputs: torch.Tensor,
    maps: Mapping[str, torch.Tensor],
    targets: Targets = None,
    *,
    steps: int = 20,
    chunk: int = CHUNK,
) -> dict[str, tuple[Curve, Curve]]:
    """Both curves of several methods' maps, by their names: what all of them begin and end with is computed once.

    Arguments and errors are those of `deletion`, whose baselines are used.
    """
    grey, blurred = _replaced(inputs, 0.0), _replaced(inputs, "blur")
    with frozen(model, inputs) as network:
        classes = network.resolve(inputs, targets)
        whole, without, dim = (
            torch.cat(
                [
                    network.scores(some, own, "probability")
                    for some, own in zip(images.split(chunk), classes.split(chunk), strict=True)
                ]
            )
            for images in (inputs, grey, blurred)
        )
    return {
        name: (
            _curve(model, inputs, grey, own, classes, steps, chunk, ends=(whole, without)),
            _curve(model, blurred, inputs, own, classes, steps, chunk, ends=(dim, whole)),
        )
        for name, own in maps.items()
    }


def pointing_game(maps: torch.Tensor, masks: torch.Tensor, tolerance: int = 0) -> torch.Tensor:
    """Whether the strongest pixel of each map lies on the object (Zhang et al. 2018, section 4.1).

    Args:
        maps: (N, H, W).
        masks: (N, H, W) bool, where the object is.
        tolerance: Pixels that the mask is widened by, on each side.

    Returns:
        (N,) bool. A map that is the same everywhere points nowhere.

    Raises:
        UserError: The shapes differ.
    """
    masks = _checked_masks(maps, masks)
    if tolerance:
        masks = F.max_pool2d(masks[:, None].float(), 2 * tolerance + 1, 1, tolerance)[:, 0] > 0
    flat = maps.flatten(1)
    hit = masks.flatten(1).gather(1, flat.argmax(dim=1, keepdim=True))[:, 0]
    return hit & (flat.amax(dim=1) > flat.amin(dim=1))


def mass_inside(maps: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """The share of each map's mass that lies on the object, (N,); a map of zeros has its area's share there.

    Args:
        maps: (N, H, W), not negative.
        masks: (N, H, W) bool.

    Raises:
        UserError: The shapes differ, or a map is negative somewhere.
    """
    masks = _checked_masks(maps, masks)
    if (maps < 0).any():
        raise UserError("maps: have negative places; make them with signed=False")
    flat = maps.flatten(1).to(widest(maps.device))
    total = flat.sum(dim=1)
    inside = (flat * masks.flatten(1)).sum(dim=1) / total.where(total > 0, 1)
    return inside.where(total > 0, area_share(masks).to(flat.dtype)).float()


def area_share(masks: torch.Tensor) -> torch.Tensor:
    """The share of each image that its object covers, (N,): what a map that knows nothing has inside."""
    return masks.flatten(1).float().mean(dim=1)


def _curve(
    model: nn.Module,
    before: torch.Tensor,
    after: torch.Tensor,
    maps: torch.Tensor,
    targets: Targets,
    steps: int,
    chunk: int,
    of: torch.Tensor | None = None,
    ends: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> Curve:
    """The probability while the pixels of ``before`` become those of ``after``, the strongest of ``maps`` first.

    Targets that are None are the classes of ``of``; ``ends`` (N,) are the first and last probability, where known.
    """
    if maps.shape != (len(before), *before.shape[2:]):
        raise UserError(f"maps: are {tuple(maps.shape)}, and the images {tuple(before.shape)}; expected (N, H, W)")
    if steps < 1:
        raise UserError(f"steps={steps}: must be 1 or more")
    order = maps.flatten(1).argsort(dim=1, descending=True, stable=True)
    places = torch.arange(order.shape[1], device=order.device).expand_as(order)
    ranks = torch.empty_like(order).scatter_(1, order, places).view_as(maps)
    shares = torch.linspace(0, 1, steps + 1)
    counts = (shares * order.shape[1]).round().long().tolist()
    with frozen(model, before) as network:
        classes = network.resolve(before if of is None else of, targets)
        columns = []
        for number, count in enumerate(counts):
            if ends is not None and number in (0, steps):
                columns.append(ends[0 if number == 0 else 1])
                continue
            part = torch.where((ranks < count)[:, None], after, before)
            columns.append(
                torch.cat(
                    [
                        network.scores(some, own, "probability")
                        for some, own in zip(part.split(chunk), classes.split(chunk), strict=True)
                    ]
                )
            )
    return Curve(shares, torch.stack(columns, dim=1).cpu())


def _replaced(inputs: torch.Tensor, baseline: float | Literal["blur"]) -> torch.Tensor:
    if baseline != "blur":
        return torch.full_like(inputs, baseline)
    deviation = max(0.5, BLUR * min(inputs.shape[2:]))
    reach = min(round(3 * deviation), *(side - 1 for side in inputs.shape[2:]))
    if reach < 1:
        return inputs.clone()
    bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=inputs.device) / deviation) ** 2)
    bell = (bell / bell.sum()).to(inputs.dtype).expand(inputs.shape[1], 1, -1)
    padded = F.pad(inputs, (reach,) * 4, mode="reflect")
    blurred = F.conv2d(padded, bell[..., None], groups=inputs.shape[1])
    return F.conv2d(blurred, bell[:, :, None, :], groups=inputs.shape[1])


def _checked_masks(maps: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    if maps.shape != masks.shape or maps.ndim != 3:
        raise UserError(f"masks: are {tuple(masks.shape)}, and the maps {tuple(maps.shape)}; both must be (N, H, W)")
    return masks.to(maps.device).bool()
