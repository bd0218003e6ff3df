"""Pure functions that measure an ``nn.Module``: its parameters, multiply-adds and receptive fields.

`weightless` builds one without memory for its weights. All of them work without the rest of convscope:

    from convscope.insight import describe_parameters, receptive_fields, measure_effective_field

Each function is imported from its file on first access.
"""

from importlib import import_module
from typing import Any

_SOURCE_FILES = {
    "describe_parameters": "parameters",
    "count_by_part": "parameters",
    "multiply_adds": "parameters",
    "receptive_fields": "receptive_field",
    "network_field": "receptive_field",
    "measure_effective_field": "effective_field",
    "weightless": "meta_building",
}

__all__ = list(_SOURCE_FILES)


def __getattr__(name: str) -> Any:
    if name not in _SOURCE_FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_SOURCE_FILES[name]}"), name)
