"""The architectures of the zoo by their names, with the variants that their functions have by default."""

from typing import Any

import convscope.config.model  # noqa: F401  registers the networks
from convscope.config.network import MODELS


def find_architecture(name: str, **variant: Any) -> Any:
    """Return the architecture ``name``, for images or texts, with options such as ``depth=18`` for ``resnet``."""
    return MODELS.builder(name)(**variant)
