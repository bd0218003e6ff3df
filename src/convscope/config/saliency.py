"""Names of the saliency methods, so that a wrong one is refused before any method is imported or data is read."""

import importlib.util
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from convscope.config.base import choices

IMAGE_METHODS = (
    "gradient", "input_x_gradient", "smoothgrad", "integrated_gradients", "guided_backprop", "deconvnet", "occlusion",
    "grad_cam", "grad_cam++", "score_cam", "layer_cam",
)  # fmt: skip
TEXT_METHODS = ("gradient", "input_x_gradient", "integrated_gradients", "smoothgrad")
# Captum's methods that need a network and an input, and nothing else.
CAPTUM_METHODS = (
    "DeepLift", "Deconvolution", "FeatureAblation", "FeaturePermutation", "GradientShap", "GuidedBackprop",
    "InputXGradient", "IntegratedGradients", "KernelShap", "LRP", "Lime", "Saliency", "ShapleyValueSampling",
    "ShapleyValues",
)  # fmt: skip
CAPTUM = "captum:"


def known_method(name: str) -> str:
    """Return ``name`` if it is the name of a saliency method.

    Raises:
        ValueError: There is no such method, or it is one of Captum's and Captum is not installed.
    """
    if name.startswith(CAPTUM):
        captum_name = name.removeprefix(CAPTUM)
        if captum_name not in CAPTUM_METHODS:
            raise ValueError(f"Captum has no such method for an input{choices(captum_name, CAPTUM_METHODS)}")
        if importlib.util.find_spec("captum") is None:
            raise ValueError("needs Captum; make setup extras=captum, or pip install captum")
    elif name not in IMAGE_METHODS:
        raise ValueError(f"no such method{choices(name, IMAGE_METHODS)}, or captum:NAME")
    return name


def refuse_methods_for_images(key: str, names: Sequence[str]) -> None:
    """Refuse saliency methods that do not work on texts.

    Args:
        key: The key at which ``names`` were given, for the message.
        names: Names of saliency methods.

    Raises:
        ValueError: One of the methods does not work on texts.
    """
    for name in names:
        if name not in TEXT_METHODS:
            raise ValueError(f"{key}={name}: no such method for texts{choices(name, TEXT_METHODS)}")


Method = Annotated[str, AfterValidator(known_method)]
Methods = Annotated[list[Method], Field(min_length=1)]
