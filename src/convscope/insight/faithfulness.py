"""How faithful saliency maps are: deletion and insertion curves, the pointing game, the mass inside the object."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from convscope.errors import UserError
from convscope.insight.frozen_network import Targets, frozen
from convscope.insight.precision import widest

CHUNK = 32  # images per forward pass
BLUR = 5 / 224  # standard deviation as a share of the image's side; Petsiuk et al. use 5 pixels for 224


@dataclass(frozen=True)
class Curve:
    """The probability of the class while more and more pixels of the image are removed or restored.

    Attributes:
        shares: (steps + 1,), the share of the pixels that are changed, from 0 to 1.
        probabilities: (N, steps + 1), on the CPU.
    """

    shares: torch.Tensor
    probabilities: torch.Tensor

    @property
    def area(self) -> torch.Tensor:
        """Area under each curve by the trapezoidal rule, (N,), from 0 to 1."""
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
    """Replace pixels by ``baseline``, those with the highest map values first (Petsiuk et al. 2018, section 4.1).

    With a faithful map the probability falls early: a small area is good.

    Args:
        model: Maps images (N, C, H, W) to logits (N, classes).
        inputs: The images, normalised.
        maps: Their maps (N, H, W); among equal values the first pixel in reading order goes first.
        targets: As for `convscope.insight.saliency.gradient`.
        steps: Number of points of the curve after the first.
        baseline: What replaces a pixel: a number (0 is the mean image), or "blur", the blurred image.
        chunk: Images per forward pass.

    Raises:
        UserError: The maps do not have the images' size, a class does not exist, or ``steps`` is below 1.
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
    """Restore pixels of the image in ``baseline``, those with the highest map values first: a large area is good.

    Arguments and errors are those of `deletion`.
    """
    return _curve(model, _replaced(inputs, baseline), inputs, maps, targets, steps, chunk, target_inputs=inputs)


def deletion_and_insertion(
    model: nn.Module,
    inputs: torch.Tensor,
    maps: Mapping[str, torch.Tensor],
    targets: Targets = None,
    *,
    steps: int = 20,
    chunk: int = CHUNK,
) -> dict[str, tuple[Curve, Curve]]:
    """Return the deletion and the insertion curve of several methods' maps, by the methods' names.

    The first and last points of the curves, which all methods share, are computed once. ``maps`` are by method name;
    the other arguments and the errors are those of `deletion`. The baselines are the defaults of `deletion` (0) and
    `insertion` ("blur").
    """
    grey, blurred = _replaced(inputs, 0.0), _replaced(inputs, "blur")
    with frozen(model, inputs) as network:
        classes = network.resolve(inputs, targets)
        original_scores, grey_scores, blurred_scores = (
            torch.cat(
                [
                    network.scores(part, part_classes, "probability")
                    for part, part_classes in zip(images.split(chunk), classes.split(chunk), strict=True)
                ]
            )
            for images in (inputs, grey, blurred)
        )
    return {
        name: (
            _curve(model, inputs, grey, method_maps, classes, steps, chunk, ends=(original_scores, grey_scores)),
            _curve(model, blurred, inputs, method_maps, classes, steps, chunk, ends=(blurred_scores, original_scores)),
        )
        for name, method_maps in maps.items()
    }


def pointing_game(maps: torch.Tensor, masks: torch.Tensor, tolerance: int = 0) -> torch.Tensor:
    """Return whether the highest pixel of each map lies on the object (Zhang et al. 2018, section 4.1).

    Args:
        maps: (N, H, W).
        masks: (N, H, W) bool, True on the object.
        tolerance: Pixels by which the mask is widened on each side.

    Returns:
        (N,) bool. A constant map points nowhere: False.

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
    """Return the share of each map's sum that lies on the object, (N,); for a map of zeros, the object's area share.

    Args:
        maps: (N, H, W), not negative.
        masks: (N, H, W) bool, True on the object.

    Raises:
        UserError: The shapes differ, or a map is negative somewhere.
    """
    masks = _checked_masks(maps, masks)
    if (maps < 0).any():
        raise UserError("maps: have negative values; make them with signed=False")
    flat = maps.flatten(1).to(widest(maps.device))
    total = flat.sum(dim=1)
    inside = (flat * masks.flatten(1)).sum(dim=1) / total.where(total > 0, 1)
    return inside.where(total > 0, area_share(masks).to(flat.dtype)).float()


def area_share(masks: torch.Tensor) -> torch.Tensor:
    """Return the share of each image that its object covers, (N,): the `mass_inside` of a constant map."""
    return masks.flatten(1).float().mean(dim=1)


def _curve(
    model: nn.Module,
    before: torch.Tensor,
    after: torch.Tensor,
    maps: torch.Tensor,
    targets: Targets,
    steps: int,
    chunk: int,
    target_inputs: torch.Tensor | None = None,
    ends: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> Curve:
    """Return the curve while pixels of ``before`` become those of ``after``, the highest of ``maps`` first.

    If ``targets`` is None, the classes are those predicted for ``target_inputs``, or for ``before`` if it is None too.
    ``ends`` are the first and last probabilities, (N,) each, if they are known already.
    """
    if maps.shape != (len(before), *before.shape[2:]):
        raise UserError(f"maps: are {tuple(maps.shape)}, and the images {tuple(before.shape)}; expected (N, H, W)")
    if steps < 1:
        raise UserError(f"steps={steps}: must be 1 or more")
    order = maps.flatten(1).argsort(dim=1, descending=True, stable=True)
    positions = torch.arange(order.shape[1], device=order.device).expand_as(order)
    ranks = torch.empty_like(order).scatter_(1, order, positions).view_as(maps)
    shares = torch.linspace(0, 1, steps + 1)
    counts = (shares * order.shape[1]).round().long().tolist()
    with frozen(model, before) as network:
        classes = network.resolve(before if target_inputs is None else target_inputs, targets)
        probabilities = []
        for number, count in enumerate(counts):
            if ends is not None and number in (0, steps):
                probabilities.append(ends[0 if number == 0 else 1])
                continue
            part = torch.where((ranks < count)[:, None], after, before)
            probabilities.append(
                torch.cat(
                    [
                        network.scores(images, part_classes, "probability")
                        for images, part_classes in zip(part.split(chunk), classes.split(chunk), strict=True)
                    ]
                )
            )
    return Curve(shares, torch.stack(probabilities, dim=1).cpu())


def _replaced(inputs: torch.Tensor, baseline: float | Literal["blur"]) -> torch.Tensor:
    """Return images filled with ``baseline``, or for "blur" the blurred ``inputs``."""
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
    """Return ``masks`` as bool on the device of ``maps``; raise UserError if both are not (N, H, W)."""
    if maps.shape != masks.shape or maps.ndim != 3:
        raise UserError(f"masks: are {tuple(masks.shape)}, and the maps {tuple(maps.shape)}; both must be (N, H, W)")
    return masks.to(maps.device).bool()
