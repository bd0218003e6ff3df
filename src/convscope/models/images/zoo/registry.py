"""From a name of the zoo to an architecture; a library is imported when one of its networks is chosen."""

import importlib
from typing import Any

from convscope.models.images.zoo.architecture import Architecture

# Where a name has no module of its own. Every module has ``architecture(**options) -> Architecture``.
MODULES = {"timm": "zoo.timm_models", "torchvision": "zoo.torchvision_models"}

NAMES = (
    "neocognitron", "tdnn", "lecun1989", "lenet5", "alexnet", "zfnet", "vgg", "googlenet", "resnet", "wide_resnet",
    "resnext", "densenet", "inception_resnet_v1", "inception_resnet_v2", "xception", "mobilenet", "mobilenet_v2",
    "shufflenet_v1", "shufflenet_v2", "senet", "efficientnet_lite", "dilated_cnn", "lecture_cnn", "timm", "torchvision",
)  # fmt: skip


def find_architecture(name: str, **variant: Any) -> Architecture:
    """The architecture ``name`` with its own options, such as ``depth=18`` for ``resnet``.

    Raises:
        UserError: An option has no such value.
        LookupError: The zoo has no such name.
    """
    if name not in NAMES:
        raise LookupError(f"{name}: not in the zoo")
    module = importlib.import_module(f"convscope.models.images.{MODULES.get(name, name)}")
    architecture: Architecture = module.architecture(**variant)
    return architecture
