"""Find an architecture by its name in the zoo; a library is imported only when one of its networks is chosen."""

import importlib
from typing import Any

from convscope.models.images.zoo.architecture import Architecture

# Modules of the names that have no module of the same name. Every module has
# ``architecture(**options) -> Architecture``.
MODULES = {"timm": "zoo.timm_models", "torchvision": "zoo.torchvision_models"}

NAMES = (
    "neocognitron", "tdnn", "lecun1989", "lenet5", "alexnet", "zfnet", "vgg", "googlenet", "resnet", "wide_resnet",
    "resnext", "densenet", "inception_resnet_v1", "inception_resnet_v2", "xception", "mobilenet", "mobilenet_v2",
    "shufflenet_v1", "shufflenet_v2", "senet", "efficientnet_lite", "dilated_cnn", "lecture_cnn", "timm", "torchvision",
)  # fmt: skip


def find_architecture(name: str, **variant: Any) -> Architecture:
    """Return the architecture ``name`` with options of its own, such as ``depth=18`` for ``resnet``.

    Raises:
        UserError: An option does not have this value.
        LookupError: The zoo has no such name.
    """
    if name not in NAMES:
        raise LookupError(f"{name}: not in the zoo")
    module = importlib.import_module(f"convscope.models.images.{MODULES.get(name, name)}")
    architecture: Architecture = module.architecture(**variant)
    return architecture
