"""What a network is and does: pure functions on an nn.Module, usable without the rest of convscope.

    from convscope.insight import describe_parameters, receptive_fields, measure_effective_field

A function is imported from its file when it is first asked for.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "describe_parameters": "parameters",
    "count_by_part": "parameters",
    "multiply_adds": "parameters",
    "receptive_fields": "receptive_field",
    "network_field": "receptive_field",
    "measure_effective_field": "effective_field",
    "weightless": "meta_building",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
