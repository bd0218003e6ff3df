"""Saliency maps: how much each pixel matters to a class score. All methods have one signature and one shape of maps.

    from convscope.insight import saliency
    maps = saliency.gradient(model, inputs, targets, channels="max")

``model`` is any classifier, ``inputs`` are normalised images (N, C, H, W), ``targets`` a class, one for each image, or
None for the predicted class. The maps are (N, H, W). The network is left as it was: no hook, no ``.grad``, no changed
mode.
"""

from collections.abc import Callable
from functools import partial

import torch

from convscope.errors import UserError
from convscope.insight.saliency.captum_methods import captum
from convscope.insight.saliency.class_activation import grad_cam, grad_cam_plus_plus, layer_cam, score_cam
from convscope.insight.saliency.gradients import (
    Complete,
    complete_integrated_gradients,
    gradient,
    input_x_gradient,
    integrated_gradients,
    smoothgrad,
)
from convscope.insight.saliency.perturbation import occlusion
from convscope.insight.saliency.rectifiers import deconvnet, guided_backprop

Method = Callable[..., torch.Tensor]

METHODS: dict[str, Method] = {
    "gradient": gradient,
    "input_x_gradient": input_x_gradient,
    "smoothgrad": smoothgrad,
    "integrated_gradients": integrated_gradients,
    "guided_backprop": guided_backprop,
    "deconvnet": deconvnet,
    "occlusion": occlusion,
    "grad_cam": grad_cam,
    "grad_cam++": grad_cam_plus_plus,
    "score_cam": score_cam,
    "layer_cam": layer_cam,
}
LAYER_METHODS = frozenset({"grad_cam", "grad_cam++", "score_cam", "layer_cam"})  # methods with the parameter ``layer``

__all__ = [
    "LAYER_METHODS",
    "METHODS",
    "Complete",
    "Method",
    "captum",
    "complete_integrated_gradients",
    "deconvnet",
    "find_method",
    "grad_cam",
    "grad_cam_plus_plus",
    "gradient",
    "guided_backprop",
    "input_x_gradient",
    "integrated_gradients",
    "layer_cam",
    "occlusion",
    "score_cam",
    "smoothgrad",
]


def find_method(name: str) -> Method:
    """Return the method ``name``: one of ``METHODS``, or ``captum:NAME`` for one of Captum's.

    Raises:
        UserError: There is no such method. An unknown NAME of Captum's raises only when the method is called.
    """
    library, _, own_name = name.partition(":")
    if library == "captum" and own_name:
        return partial(captum, name=own_name)
    if name not in METHODS:
        raise UserError(f"method={name}: no such method; choose from: {', '.join(METHODS)}, or captum:NAME")
    return METHODS[name]
