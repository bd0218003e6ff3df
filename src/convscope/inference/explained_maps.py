"""The maps of an explanation: each method's, and what they can say of their own error."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from convscope.config.explain import ExplainConfig
from convscope.console import track
from convscope.insight import saliency

AT_ONCE = 16  # images


@dataclass(frozen=True)
class ExplainedMaps:
    """Maps (N, H, W) by method, and (N,) how far integrated gradients are from complete, where they were asked for."""

    maps: dict[str, torch.Tensor] = field(default_factory=dict)
    errors: dict[str, torch.Tensor] = field(default_factory=dict)


def explained_maps(
    config: ExplainConfig,
    network: nn.Module,
    methods: Mapping[str, Callable[..., torch.Tensor]],
    inputs: torch.Tensor,
    targets: torch.Tensor,
) -> ExplainedMaps:
    """Ask each of ``methods`` about ``inputs`` (N, C, H, W) and the classes ``targets`` (N,).

    Raises:
        UserError: A method does not suit the network, or there is no such layer.
    """
    found = ExplainedMaps()
    parts = list(zip(inputs.split(AT_ONCE), targets.split(AT_ONCE), strict=True))
    for name, method in track(list(zip(methods, methods.items(), strict=True)), "explaining"):
        if name == "integrated_gradients":
            told = [saliency.complete_integrated_gradients(network, *part, score=config.score) for part in parts]
            found.maps[name] = torch.cat([complete.maps for complete in told])
            found.errors[name] = torch.cat([complete.error for complete in told])
            continue
        settings: dict[str, Any] = {"score": config.score}
        if name in saliency.LAYER_METHODS and config.layer is not None:
            settings["layer"] = config.layer
        found.maps[name] = torch.cat([method(network, *part, **settings) for part in parts])
    return found
