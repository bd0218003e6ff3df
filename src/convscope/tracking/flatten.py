"""Flattens a nested configuration to the dotted names of the command line."""

from collections.abc import Mapping
from typing import Any


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return ``{"model.name": "vgg"}`` for ``{"model": {"name": "vgg"}}``.

    Lists of mappings are numbered (``stages.0.epochs``), other lists stay as they are.
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{name}.")
        elif isinstance(value, (list, tuple)) and any(isinstance(item, Mapping) for item in value):
            flat |= flatten({str(number): item for number, item in enumerate(value)}, f"{name}.")
        else:
            flat[name] = value
    return flat
