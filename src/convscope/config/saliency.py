"""Names of the saliency methods, known without importing them: a wrong one is refused before anything is read."""

import difflib
import importlib.util
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

IMAGE_METHODS = (
    "gradient", "input_x_gradient", "smoothgrad", "integrated_gradients", "guided_backprop", "deconvnet", "occlusion",
    "grad_cam", "grad_cam++", "score_cam", "layer_cam",
)  # fmt: skip
TEXT_METHODS = ("gradient", "input_x_gradient", "integrated_gradients", "smoothgrad")
# Captum's that need a network and an input, and nothing else.
CAPTUM_METHODS = (
    "DeepLift", "Deconvolution", "FeatureAblation", "FeaturePermutation", "GradientShap", "GuidedBackprop",
    "InputXGradient", "IntegratedGradients", "KernelShap", "LRP", "Lime", "Saliency", "ShapleyValueSampling",
    "ShapleyValues",
)  # fmt: skip
CAPTUM = "captum:"


def known_method(name: str) -> str:
    """``name``, where it is a method.

    Raises:
        ValueError: There is no such method, or it is Captum's, which is not installed.
    """
    if name.startswith(CAPTUM):
        own = name.removeprefix(CAPTUM)
        if own not in CAPTUM_METHODS:
            raise ValueError(f"Captum has no such method for an input{choices(own, CAPTUM_METHODS)}")
        if importlib.util.find_spec("captum") is None:
            raise ValueError("needs Captum; make setup extras=captum, or pip install captum")
    elif name not in IMAGE_METHODS:
        raise ValueError(f"no such method{choices(name, IMAGE_METHODS)}, or captum:NAME")
    return name


def refuse_methods_for_images(key: str, names: Sequence[str]) -> None:
    """Refuse what no text can be explained by; ``key`` is where ``names`` were given.

    Raises:
        ValueError: One is no method for texts.
    """
    for name in names:
        if name not in TEXT_METHODS:
            raise ValueError(f"{key}={name}: no such method for texts{choices(name, TEXT_METHODS)}")


def choices(name: str, known: Sequence[str]) -> str:
    """The end of a message: the known name that is nearest to ``name``, and all of them."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"{f'; did you mean {near[0]}?' if near else ''}; choose from: {', '.join(known)}"


Method = Annotated[str, AfterValidator(known_method)]
Methods = Annotated[list[Method], Field(min_length=1)]
