"""Class activation maps: the feature maps of a layer, weighted by their importance for a class."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from convscope.insight.frozen_network import Score, Targets, derivative, frozen, resolve_targets, score_of
from convscope.insight.layer_output import may_fold, output_of
from convscope.insight.saliency.maps import Channels, same_for_all_channels
from convscope.insight.spatial_layers import find_spatial_layer

SCORE_CHUNK = 32  # images per forward pass of Score-CAM

_Weigh = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From feature maps and their derivatives, both (N, K, h, w), to the map (N, h, w)."""


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
    """Return Grad-CAM maps (Selvaraju et al. 2017, eq. 1 and 2): a feature map's weight is the mean of its derivatives.

    Args:
        model, inputs, targets, score, fold: As for `convscope.insight.saliency.gradient`.
        layer: The layer whose feature maps are used: the module, or its path such as ``layer4.1``; None: the last
            that has more than one position.
        upsample: Resize the map to the size of the images (bilinear); else it keeps the layer's size.
        channels: "none" repeats the map for each channel of the image, since the method does not tell them apart.
        signed: Keep negative values, evidence against the class; else set them to 0, as in the paper.

    Returns:
        Maps (N, H, W), or (N, h, w) without ``upsample``; with ``channels="none"`` (N, C, H, W).

    Raises:
        UserError: A class does not exist, or the layer has no feature map; the message lists those that have one.
    """
    return _class_activation(_grad_cam_map, model, inputs, targets, layer, upsample, score, channels, signed, fold)


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
    """Return Grad-CAM++ maps (Chattopadhay et al. 2018, eq. 5, 6 and 19).

    A feature map's weight is the sum of its positive derivatives, each weighted for its position.

    Arguments, result and errors are those of `grad_cam`.
    """
    return _class_activation(
        _grad_cam_plus_plus_map, model, inputs, targets, layer, upsample, score, channels, signed, fold
    )


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
    """Return Layer-CAM maps (Jiang et al. 2021, eq. 5 and 6), which suit early layers too.

    Each position's weight is its own derivative, if it is positive.

    Arguments, result and errors are those of `grad_cam`.
    """
    return _class_activation(_layer_cam_map, model, inputs, targets, layer, upsample, score, channels, signed, fold)


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
    """Return Score-CAM maps (Wang et al. 2020, algorithm 1).

    A feature map's weight is the softmax, over the maps, of the score of the image masked by it: the image is
    multiplied by the upsampled feature map, scaled to 0 to 1. No derivatives are needed, but each feature
    map costs one masked image to run; ``chunk`` is the number of images per forward pass. Other arguments, result and
    errors are those of `grad_cam`.
    """
    path, module = find_spatial_layer(model, inputs, layer)
    with frozen(model, inputs, fold=fold and may_fold(module)) as network, torch.no_grad():
        with output_of(module, path) as output:
            classes = resolve_targets(targets, network.logits(network.copy(inputs)), len(inputs))
            features = output.tensor
        maps = []
        for image, image_features, target in zip(inputs, features, classes, strict=True):
            scores = []
            for part in image_features.split(chunk):
                masks = _upsampled(part[None], inputs.shape[2:])[0]
                low, high = masks.amin(dim=(1, 2), keepdim=True), masks.amax(dim=(1, 2), keepdim=True)
                masks = (masks - low) / (high - low + 1e-8)
                scores.append(network.scores(image * masks[:, None], target.expand(len(part)), score))
            weights = torch.cat(scores).softmax(dim=0)
            maps.append((weights[:, None, None] * image_features).sum(dim=0))
    return _postprocess(torch.stack(maps), inputs, upsample, channels, signed)


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
    """Combine the feature maps of ``layer`` with their derivatives by ``weigh``; other arguments as for `grad_cam`."""
    path, module = find_spatial_layer(model, inputs, layer)
    with frozen(model, inputs, fold=fold and may_fold(module)) as network, output_of(module, path) as output:
        logits = network.logits(network.copy(inputs))
        total = score_of(logits, resolve_targets(targets, logits.detach(), len(inputs)), score).sum()
        features = output.tensor
        gradients = derivative(total, features)
        maps = weigh(features.detach(), gradients)
    return _postprocess(maps, inputs, upsample, channels, signed)


def _grad_cam_map(features: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Weight each feature map by the mean of its derivatives (Grad-CAM, eq. 1 and 2)."""
    return (gradients.mean(dim=(2, 3), keepdim=True) * features).sum(dim=1)


def _grad_cam_plus_plus_map(features: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Weight each feature map by a weighted sum of its positive derivatives (Grad-CAM++, eq. 5, 6 and 19)."""
    # With Y = exp(S) the second and third derivatives are powers of the first (eq. 15 to 19).
    squares = gradients.square()
    denominator = 2 * squares + features.sum(dim=(2, 3), keepdim=True) * squares * gradients
    alphas = torch.where(gradients != 0, squares / (denominator + 1e-6), 0.0)
    weights = (alphas * gradients.clamp(min=0)).sum(dim=(2, 3), keepdim=True)
    return (weights * features).sum(dim=1)


def _layer_cam_map(features: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Weight each position by its own positive derivative (Layer-CAM, eq. 5 and 6)."""
    return (gradients.clamp(min=0) * features).sum(dim=1)


def _postprocess(
    maps: torch.Tensor, inputs: torch.Tensor, upsample: bool, channels: Channels, signed: bool
) -> torch.Tensor:
    """Apply the options ``signed``, ``upsample`` and ``channels`` to maps (N, h, w)."""
    maps = maps if signed else maps.clamp(min=0)
    if upsample:
        maps = _upsampled(maps[:, None], inputs.shape[2:])[:, 0]
    return same_for_all_channels(maps, inputs.shape[1], channels, signed)


def _upsampled(maps: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """Resize maps (N, K, h, w) to ``size`` (H, W), bilinearly."""
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)
