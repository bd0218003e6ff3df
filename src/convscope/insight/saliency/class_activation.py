"""Class activation: the feature maps of a layer, weighed by what they mean for a class."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from convscope.insight.frozen_network import Score, Targets, derivative, frozen, resolve_targets, score_of
from convscope.insight.layer_output import may_fold, output_of
from convscope.insight.saliency.maps import Channels, same_for_all_channels
from convscope.insight.spatial_layers import find_spatial_layer

SCORE_CHUNK = 32

_Weigh = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Feature maps and their derivatives, (N, K, h, w) both, to the map (N, h, w)."""


def grad_cam(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: Targets = None,
    *,
    layer: str | nn.Module | None = None,
    upsample: bool = True,
    score: Score = "logit",
    channels: Channels = "max",
    signed: bool = False,
    fold: bool = True,
) -> torch.Tensor:
    """Grad-CAM (Selvaraju et al. 2017, eq. 1 and 2): each feature map weighs the mean of its derivatives.

    Args:
        model, inputs, targets, score, fold: As for `convscope.insight.saliency.gradient`.
        layer: Whose feature maps, as a path such as ``layer4.1``; None: the last that has more than one place.
        upsample: Bring the map to the size of the images (bilinear); else it has the layer's.
        channels: "none" repeats the map for each of the image's channels, of which the method knows nothing.
        signed: Keep what speaks against the class; else only what speaks for it, as in the paper.

    Returns:
        Maps (N, H, W); with ``channels="none"`` (N, C, H, W).

    Raises:
        UserError: A class does not exist, or the layer has no feature map; those that have are listed.
    """
    return _class_activation(_mean_derivative, model, inputs, targets, layer, upsample, score, channels, signed, fold)


def grad_cam_plus_plus(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: Targets = None,
    *,
    layer: str | nn.Module | None = None,
    upsample: bool = True,
    score: Score = "logit",
    channels: Channels = "max",
    signed: bool = False,
    fold: bool = True,
) -> torch.Tensor:
    """Grad-CAM++ (Chattopadhay et al. 2018, eq. 5, 6 and 19): places with positive derivatives, each its own weight.

    Arguments, result and errors are those of `grad_cam`.
    """
    return _class_activation(_plus_plus, model, inputs, targets, layer, upsample, score, channels, signed, fold)


def layer_cam(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: Targets = None,
    *,
    layer: str | nn.Module | None = None,
    upsample: bool = True,
    score: Score = "logit",
    channels: Channels = "max",
    signed: bool = False,
    fold: bool = True,
) -> torch.Tensor:
    """Layer-CAM (Jiang et al. 2021, eq. 5 and 6): each place weighs its own positive derivative; for early layers too.

    Arguments, result and errors are those of `grad_cam`.
    """
    return _class_activation(_by_place, model, inputs, targets, layer, upsample, score, channels, signed, fold)


def score_cam(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: Targets = None,
    *,
    layer: str | nn.Module | None = None,
    upsample: bool = True,
    chunk: int = SCORE_CHUNK,
    score: Score = "logit",
    channels: Channels = "max",
    signed: bool = False,
    fold: bool = True,
) -> torch.Tensor:
    """Score-CAM (Wang et al. 2020, algorithm 1): a feature map weighs the score of the image seen through it.

    Without derivatives, and for a pass of each of the layer's feature maps; ``chunk`` is the images a pass. Other
    arguments, result and errors are those of `grad_cam`.
    """
    path, module = find_spatial_layer(model, inputs, layer)
    with frozen(model, inputs, fold=fold and may_fold(module)) as network, torch.no_grad():
        with output_of(module, path) as output:
            classes = resolve_targets(targets, network.logits(network.copy(inputs)), len(inputs))
            features = output.tensor
        maps = []
        for image, own, target in zip(inputs, features, classes, strict=True):
            scores = []
            for part in own.split(chunk):
                masks = _upsampled(part[None], inputs.shape[2:])[0]
                low, high = masks.amin(dim=(1, 2), keepdim=True), masks.amax(dim=(1, 2), keepdim=True)
                masks = (masks - low) / (high - low + 1e-8)
                scores.append(network.scores(image * masks[:, None], target.expand(len(part)), score))
            weights = torch.cat(scores).softmax(dim=0)
            maps.append((weights[:, None, None] * own).sum(dim=0))
    return _finished(torch.stack(maps), inputs, upsample, channels, signed)


def _class_activation(
    weigh: _Weigh,
    model: nn.Module,
    inputs: torch.Tensor,
    targets: Targets,
    layer: str | nn.Module | None,
    upsample: bool,
    score: Score,
    channels: Channels,
    signed: bool,
    fold: bool,
) -> torch.Tensor:
    path, module = find_spatial_layer(model, inputs, layer)
    with frozen(model, inputs, fold=fold and may_fold(module)) as network, output_of(module, path) as output:
        logits = network.logits(network.copy(inputs))
        total = score_of(logits, resolve_targets(targets, logits.detach(), len(inputs)), score).sum()
        features = output.tensor
        slopes = derivative(total, features)
        maps = weigh(features.detach(), slopes)
    return _finished(maps, inputs, upsample, channels, signed)


def _mean_derivative(features: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    return (slopes.mean(dim=(2, 3), keepdim=True) * features).sum(dim=1)


def _plus_plus(features: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    # With Y = exp(S) the second and third derivatives are powers of the first (eq. 15 to 19).
    squares = slopes.square()
    denominator = 2 * squares + features.sum(dim=(2, 3), keepdim=True) * squares * slopes
    alphas = torch.where(slopes != 0, squares / (denominator + 1e-6), 0.0)
    weights = (alphas * slopes.clamp(min=0)).sum(dim=(2, 3), keepdim=True)
    return (weights * features).sum(dim=1)


def _by_place(features: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    return (slopes.clamp(min=0) * features).sum(dim=1)


def _finished(
    maps: torch.Tensor, inputs: torch.Tensor, upsample: bool, channels: Channels, signed: bool
) -> torch.Tensor:
    maps = maps if signed else maps.clamp(min=0)
    if upsample:
        maps = _upsampled(maps[:, None], inputs.shape[2:])[:, 0]
    return same_for_all_channels(maps, inputs.shape[1], channels, signed)


def _upsampled(maps: torch.Tensor, size: torch.Size) -> torch.Tensor:
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)
