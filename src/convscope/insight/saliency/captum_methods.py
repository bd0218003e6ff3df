"""Further methods, from Captum (https://captum.ai), by its name for them: the extra ``captum``."""

import importlib.util
import inspect
from typing import Any

import torch
from torch import nn

from convscope.errors import UserError
from convscope.insight.frozen_network import Score, Targets, frozen, score_of
from convscope.insight.saliency.maps import Channels, reduce_channels


def captum(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: Targets = None,
    *,
    name: str,
    score: Score = "logit",
    channels: Channels = "max",
    signed: bool = False,
    **arguments: Any,
) -> torch.Tensor:
    """The maps of Captum's class ``name``, such as ``DeepLift``, ``GradientShap``, ``Lime`` or ``KernelShap``.

    The network is left as it was, as by every method here.

    Args:
        model, inputs, targets, score, channels, signed: As for `convscope.insight.saliency.gradient`. Methods that
            hook modules (DeepLift, LRP) know no score but the logit.
        name: A class of ``captum.attr`` that takes a network and gives attributions to its input.
        arguments: More for its ``attribute``; ``baselines`` are zeros where it needs some.

    Raises:
        UserError: Captum is not installed, has no such method for inputs, or cannot apply it to this network.
    """
    if importlib.util.find_spec("captum") is None:
        raise UserError(f"method captum:{name}: needs Captum; make setup extras=captum, or pip install captum")
    import captum.attr as library
    from captum.attr import Attribution
    from captum.attr._utils.attribution import InternalAttribution

    kind: Any = getattr(library, name, None)
    known = inspect.isclass(kind) and issubclass(kind, Attribution) and not issubclass(kind, InternalAttribution)
    if not known:
        methods = [
            other
            for other, found in vars(library).items()
            if inspect.isclass(found)
            and issubclass(found, Attribution)
            and not issubclass(found, InternalAttribution)
            and other[:5] not in ("Layer", "Neuro")
        ]
        raise UserError(f"method captum:{name}: Captum has no such method for inputs; it has {', '.join(methods)}")
    with frozen(model, inputs, fold=False) as network:
        classes = network.resolve(inputs, targets)
        own = network.copy(inputs)

        def forward(batch: torch.Tensor) -> torch.Tensor:
            repeated = classes.repeat(len(batch) // len(classes))
            return score_of(network.logits(batch), repeated, score)

        takes_module = "model" in inspect.signature(kind).parameters
        if takes_module and score != "logit":
            raise UserError(f"method captum:{name}: knows no score={score}; use score=logit")
        method = kind(model) if takes_module else kind(forward)
        asked = inspect.signature(method.attribute).parameters
        if "baselines" in asked and asked["baselines"].default is inspect.Parameter.empty:
            arguments.setdefault("baselines", torch.zeros_like(own))
        if takes_module:
            arguments["target"] = classes
        try:
            attributions = method.attribute(own, **arguments)
        except (AssertionError, RuntimeError, TypeError) as error:
            raise UserError(f"method captum:{name}: Captum could not: {' '.join(str(error).split())[:300]}") from error
    return reduce_channels(attributions.detach(), channels, signed)
