"""The saliency methods by name, for images and for texts, so that a wrong name is refused before anything is read.

A method is a function. A plugin registers its own:

    from convscope.config.saliency import IMAGE_METHODS, MethodConfig

    IMAGE_METHODS.option("mine", builds="my_project.maps:mine")(MethodConfig)
"""

import importlib.util
from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from convscope.config.base import Config, choices
from convscope.config.registry import Registry

Noun = Literal["images", "texts"]

IMAGE_METHODS, TEXT_METHODS = Registry("method"), Registry("method")
METHODS: dict[Noun, Registry] = {"images": IMAGE_METHODS, "texts": TEXT_METHODS}
# Captum's methods that need a network and an input, and nothing else.
CAPTUM_METHODS = (
    "DeepLift", "Deconvolution", "FeatureAblation", "FeaturePermutation", "GradientShap", "GuidedBackprop",
    "InputXGradient", "IntegratedGradients", "KernelShap", "LRP", "Lime", "Saliency", "ShapleyValueSampling",
    "ShapleyValues",
)  # fmt: skip
CAPTUM = "captum:"


class MethodConfig(Config):
    """A saliency method, which has no settings. What ``builds`` it is the method itself.

    It gets the network in eval mode with frozen parameters, inputs, and the class of each input, (N,) int64. Of images,
    inputs are normalised (N, C, H, W), and it returns maps (N, H, W); of texts, they are tokens (N, L), padded with 0,
    and it returns maps (N, L). If its signature names ``score`` or ``layer``, it gets what the user chose of these.

    Attributes:
        takes_layer: Whether it explains by the output of a layer, and needs a network that has a feature map.
        signed: Whether its positive values are evidence for the class, and negative ones against it.
    """

    takes_layer: ClassVar[bool] = False
    signed: ClassVar[bool] = False


class LayerMethodConfig(MethodConfig):
    """A method that explains by the output of a layer, its argument ``layer``, as Grad-CAM does."""

    takes_layer = True


class SignedMethodConfig(MethodConfig):
    """A method whose positive values are evidence for the class, and negative ones against it."""

    signed = True


for name in (
    "gradient", "input_x_gradient", "smoothgrad", "integrated_gradients", "guided_backprop", "deconvnet", "occlusion",
):  # fmt: skip
    IMAGE_METHODS.option(name, builds=f"convscope.insight.saliency:{name}")(MethodConfig)
for name, function in (
    ("grad_cam", "grad_cam"), ("grad_cam++", "grad_cam_plus_plus"), ("score_cam", "score_cam"),
    ("layer_cam", "layer_cam"),
):  # fmt: skip
    IMAGE_METHODS.option(name, builds=f"convscope.insight.saliency:{function}")(LayerMethodConfig)
for name, config in (
    ("gradient", MethodConfig), ("input_x_gradient", SignedMethodConfig), ("integrated_gradients", SignedMethodConfig),
    ("smoothgrad", MethodConfig),
):  # fmt: skip
    TEXT_METHODS.option(name, builds=f"convscope.insight.saliency.token_saliency:{name}")(config)


def known_method(name: str) -> str:
    """Return ``name`` if it is the name of a saliency method, for images or for texts.

    Raises:
        ValueError: There is no such method, or it is one of Captum's and Captum is not installed.
    """
    if name.startswith(CAPTUM):
        captum_name = name.removeprefix(CAPTUM)
        if captum_name not in CAPTUM_METHODS:
            raise ValueError(f"Captum has no such method for an input{choices(captum_name, CAPTUM_METHODS)}")
        if importlib.util.find_spec("captum") is None:
            raise ValueError("needs Captum; make setup extras=captum, or pip install captum")
    elif not any(name in registry.classes for registry in METHODS.values()):
        known = dict.fromkeys(name for registry in METHODS.values() for name in registry.classes)
        raise ValueError(f"no such method{choices(name, list(known))}, or captum:NAME")
    return name


def refuse_other_methods(key: str, names: Iterable[str], noun: Noun) -> None:
    """Refuse saliency methods that work on images alone for texts, and the other way round.

    Args:
        key: The key at which ``names`` were given, for the message.
        names: Names of saliency methods.
        noun: What is explained.

    Raises:
        ValueError: One of the methods does not work on ``noun``.
    """
    captum = ", or captum:NAME" if noun == "images" else ""
    known = METHODS[noun].classes
    for name in names:
        if name not in known and not (captum and name.startswith(CAPTUM)):
            raise ValueError(f"{key}={name}: no such method for {noun}{choices(name, list(known))}{captum}")


def own_methods(names: Sequence[str], noun: Noun) -> list[str]:
    """Return those of ``names`` that plugins have registered."""
    return [name for name in names if METHODS[noun].is_added(name)]


Method = Annotated[str, AfterValidator(known_method)]
Methods = Annotated[list[Method], Field(min_length=1)]
