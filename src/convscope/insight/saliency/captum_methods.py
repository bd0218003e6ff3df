"""Attribution methods of Captum (https://captum.ai), by their class names; they need the optional extra ``captum``."""

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
    """Return the maps of Captum's class ``name``, such as ``DeepLift``, ``GradientShap``, ``Lime`` or ``KernelShap``.

    The network is left as it was.

    Args:
        model, inputs, targets, score, channels, signed: As for `convscope.insight.saliency.gradient`. Methods that
            hook modules (DeepLift, LRP) support only the score "logit".
        name: A class of ``captum.attr`` that attributes a network's output to its input.
        arguments: Further arguments of its ``attribute``; ``baselines`` default to zeros if it requires some.

    Returns:
        Maps (N, H, W); with ``channels="none"`` (N, C, H, W).

    Raises:
        UserError: Captum is not installed, has no such method for inputs, or cannot apply it to this network.
    """
    if importlib.util.find_spec("captum") is None:
        raise UserError(f"method captum:{name}: needs Captum; make setup extras=captum, or pip install captum")
    import captum.attr as captum_attr
    from captum.attr import Attribution
    from captum.attr._utils.attribution import InternalAttribution

    method_class: Any = getattr(captum_attr, name, None)
    is_input_method = (
        inspect.isclass(method_class)
        and issubclass(method_class, Attribution)
        and not issubclass(method_class, InternalAttribution)
    )
    if not is_input_method:
        methods = [
            class_name
            for class_name, candidate in vars(captum_attr).items()
            if inspect.isclass(candidate)
            and issubclass(candidate, Attribution)
            and not issubclass(candidate, InternalAttribution)
            and class_name[:5] not in ("Layer", "Neuro")
        ]
        raise UserError(f"method captum:{name}: Captum has no such method for inputs; it has {', '.join(methods)}")
    with frozen(model, inputs, fold=False) as network:
        classes = network.resolve(inputs, targets)
        images = network.copy(inputs)

        def forward(batch: torch.Tensor) -> torch.Tensor:
            batch_classes = classes.repeat(len(batch) // len(classes))
            return score_of(network.logits(batch), batch_classes, score)

        takes_module = "model" in inspect.signature(method_class).parameters
        if takes_module and score != "logit":
            raise UserError(f"method captum:{name}: does not support score={score}; use score=logit")
        method = method_class(model) if takes_module else method_class(forward)
        parameters = inspect.signature(method.attribute).parameters
        if "baselines" in parameters and parameters["baselines"].default is inspect.Parameter.empty:
            arguments.setdefault("baselines", torch.zeros_like(images))
        if takes_module:
            arguments["target"] = classes
        try:
            attributions = method.attribute(images, **arguments)
        except (AssertionError, RuntimeError, TypeError) as error:
            raise UserError(f"method captum:{name}: Captum failed: {' '.join(str(error).split())[:300]}") from error
    return reduce_channels(attributions.detach(), channels, signed)
