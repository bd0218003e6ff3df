"""Saliency maps: how much each pixel matters to a class score. All methods have one signature and one shape of maps.

    from convscope.insight import saliency
    maps = saliency.gradient(model, inputs, targets, channels="max")

``model`` is any classifier, ``inputs`` are normalised images (N, C, H, W), ``targets`` a class, one for each image, or
None for the predicted class. The maps are (N, H, W). The network is left as it was: no hook, no ``.grad``, no changed
mode.
"""

from collections.abc import Callable

import torch

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

__all__ = [
    "Complete",
    "Method",
    "captum",
    "complete_integrated_gradients",
    "deconvnet",
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
