"""Computes the saliency maps of an explanation, with the completeness error of integrated gradients."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from convscope.config.explain import ExplainConfig
from convscope.console import track
from convscope.insight import saliency

BATCH_SIZE = 16


@dataclass(frozen=True)
class ExplainedMaps:
    """Saliency maps of N images.

    Attributes:
        maps: Maps by method, (N, H, W).
        errors: Completeness error of integrated gradients, (N,), by method; empty without that method.
    """

    maps: dict[str, torch.Tensor] = field(default_factory=dict)
    errors: dict[str, torch.Tensor] = field(default_factory=dict)


def compute_maps(
    config: ExplainConfig,
    network: nn.Module,
    methods: Mapping[str, Callable[..., torch.Tensor]],
    inputs: torch.Tensor,
    targets: torch.Tensor,
) -> ExplainedMaps:
    """Compute the maps of each method.

    Args:
        config: The score to differentiate, and the layer for the methods that need one.
        network: The network.
        methods: Functions by name.
        inputs: Normalised images, (N, C, H, W).
        targets: The class to explain for each image, (N,).

    Raises:
        UserError: A method does not suit the network, or there is no such layer.
    """
    result = ExplainedMaps()
    batches = list(zip(inputs.split(BATCH_SIZE), targets.split(BATCH_SIZE), strict=True))
    for name, method in track(list(zip(methods, methods.items(), strict=True)), "explaining"):
        if name == "integrated_gradients":
            attributions = [
                saliency.complete_integrated_gradients(network, *batch, score=config.score) for batch in batches
            ]
            result.maps[name] = torch.cat([attribution.maps for attribution in attributions])
            result.errors[name] = torch.cat([attribution.error for attribution in attributions])
            continue
        settings: dict[str, Any] = {"score": config.score}
        if name in saliency.LAYER_METHODS and config.layer is not None:
            settings["layer"] = config.layer
        result.maps[name] = torch.cat([method(network, *batch, **settings) for batch in batches])
    return result
