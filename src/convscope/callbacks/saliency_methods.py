"""Finds saliency methods by name: convscope's own, those of plugins, and Captum's."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from convscope.composition.instantiation import describe_error, signature_of
from convscope.config.saliency import CAPTUM, IMAGE_METHODS, TEXT_METHODS, MethodConfig, Noun, known_method
from convscope.errors import UserError, reason_of
from convscope.insight.frozen_network import Score
from convscope.insight.saliency import captum
from convscope.insight.undisturbed import undisturbed


@dataclass(frozen=True)
class SaliencyMethod:
    """A saliency method: it maps a network, inputs (N, ...) and their classes to how much each part of them matters.

    Attributes:
        name: Its name.
        compute: The function.
        takes_layer: Whether it explains by the output of a layer.
        signed: Whether its positive values are evidence for the class, and negative ones against it.
        own: Whether it is of a plugin.
    """

    name: str
    compute: Callable[..., torch.Tensor]
    takes_layer: bool = False
    signed: bool = False
    own: bool = False

    def __call__(
        self,
        network: nn.Module,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        *,
        score: Score = "logit",
        layer: str | None = None,
    ) -> torch.Tensor:
        """Return the maps: (N, H, W) of images (N, C, H, W), (N, L) of tokens (N, L).

        Args:
            network: The network.
            inputs: What is explained.
            targets: The class of each input, (N,).
            score: What of the class is explained.
            layer: Path of the layer, for a method that takes one; None for the usual one.

        Raises:
            UserError: The method refuses the network; or it is of a plugin, and fails, takes no ``score``, or returns
                no maps.
        """
        settings: dict[str, Any] = {"layer": layer} if self.takes_layer and layer is not None else {}
        if score != "logit":
            settings["score"] = score
        if not self.own:
            return self.compute(network, inputs, targets, **settings)
        for name, value in settings.items():
            if not _takes(self.compute, name):
                raise UserError(f"{name}={value}: method={self.name} has no argument {name}")
        try:
            with undisturbed(network):  # with autograd, which a test has switched off
                maps = self.compute(network, inputs.clone(), targets.clone(), **settings)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"method={self.name} failed: {describe_error(error)}") from error
        expected = (len(inputs), *inputs.shape[2:]) if inputs.dim() == 4 else tuple(inputs.shape)
        if not isinstance(maps, torch.Tensor) or tuple(maps.shape) != expected:
            found = tuple(maps.shape) if isinstance(maps, torch.Tensor) else type(maps).__name__
            raise UserError(f"method={self.name}: must return maps {expected}, not {found}")
        return maps.detach()


def find_method(name: str, noun: Noun) -> SaliencyMethod:
    """Return the method ``name`` for images or texts.

    Raises:
        UserError: There is no such method, or the function of a plugin cannot be imported.
    """
    registry = IMAGE_METHODS if noun == "images" else TEXT_METHODS
    if noun == "images" and name.startswith(CAPTUM):
        return SaliencyMethod(known_method(name), partial(captum, name=name.removeprefix(CAPTUM)))
    compute, config = registry.function(name), registry.classes[name]
    assert issubclass(config, MethodConfig)
    return SaliencyMethod(name, compute, config.takes_layer, config.signed, registry.is_added(name))


def skipped_method_warning(method: str, error: Exception) -> str:
    """Return the warning about a method that refuses the network.

    It is the same wherever the refusal is met, so that it is printed once.
    """
    named = str(error).startswith((f"{method}:", f"method {method}:", f"method={method}"))
    return f"{'' if named else f'{method}: '}{reason_of(error)} (it is left out of figures and tables)"


def _takes(function: Callable[..., Any], name: str) -> bool:
    """Return whether a function takes an argument of that name."""
    signature = signature_of(function)
    if signature is None:
        return False
    return name in signature.parameters or any(
        parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in signature.parameters.values()
    )
