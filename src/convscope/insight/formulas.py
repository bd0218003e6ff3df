"""A layer's number of parameters, written as the sum that a person would write."""

import math
from collections import Counter

from convscope.insight.tracing.traced_layer import TracedLayer


def formula(layer: TracedLayer) -> str:
    """Return the parameter count of ``layer`` as a sum; "" for a layer without parameters.

    For a convolution it is filters × (rows × columns × channels) + biases: ``16 × (3×3×3) + 16 = 448``.
    """
    if not layer.parameters:
        return ""
    terms = Counter(_term(layer, tuple(parameter.shape)) for _, parameter in layer.parameters)
    total = sum(parameter.numel() for _, parameter in layer.parameters)
    summands = [f"{count} × {_grouped(term)}" if count > 1 else term for term, count in terms.items()]
    text = " + ".join(summands)
    return text if text == str(total) else f"{text} = {total}"


def _grouped(term: str) -> str:
    """Return ``term``, in parentheses if it is a product."""
    return f"({term})" if " × " in term else term


def _term(layer: TracedLayer, shape: tuple[int, ...]) -> str:
    """Return the size of a parameter of ``shape`` as a product, such as ``16 × (3×3×3)``."""
    geometry = layer.geometry
    if geometry is not None and len(shape) == len(geometry.kernel) + 2:
        filters, channels = shape[:2]
        if geometry.transposed:
            filters, channels = channels * geometry.groups, filters // geometry.groups
        return f"{filters} × ({'×'.join(map(str, (*shape[2:], channels)))})"
    if len(shape) == 2 and math.prod(layer.flattened) == shape[1] and len(layer.flattened) > 1:
        return f"{shape[0]} × ({'×'.join(map(str, layer.flattened))})"
    sizes = [str(size) for size in shape if size != 1] or ["1"]
    return " × ".join(sizes)
