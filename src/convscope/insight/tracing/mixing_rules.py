"""Reach rules of operations that mix positions: reductions, matrix products, attention, normalisation, lookups.

The rules have the form that ``window_rules`` describes.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from convscope.insight.tracing.carried_reach import reach_of
from convscope.insight.tracing.reach import (
    Reach,
    axes_in,
    combined,
    extent,
    factors_along,
    reduced,
    seeing_all,
    united,
    unmapped,
)
from convscope.insight.tracing.shape_rules import with_unknown_positions
from convscope.insight.tracing.window_rules import contracted


def reduction(out: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    """Return the reach of a mean, sum, maximum, variance or norm over some dimensions, or over all of them."""
    reach = reach_of(x)
    if reach is None:
        return None
    first = out[0] if isinstance(out, tuple) else out
    kept = first.ndim == x.ndim
    chosen = _dimensions(x, first, args, kwargs)
    result = reduced(reach, chosen, kept)
    return (result,) * len(out) if isinstance(out, tuple) else result


def _dimensions(x: torch.Tensor, out: torch.Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Sequence[int]:
    """Return the dimensions that a reduction is over, read from its arguments."""
    dimensions = kwargs.get("dim")
    if dimensions is None:
        # The dimensions are the first list, or else the first integer; a norm's order comes before the list.
        lists = [a for a in args if isinstance(a, (list, tuple))]
        numbers = [a for a in args if isinstance(a, int) and not isinstance(a, bool)]
        dimensions = lists[0] if lists else numbers[0] if numbers and out.ndim else None
    if dimensions is None or dimensions == []:
        return range(x.ndim)
    return [dimensions] if isinstance(dimensions, int) else dimensions


def rescaling(dimensions: Callable[..., Sequence[int]]) -> Callable[..., Any]:
    """Return the rule of softmax and normalisations, which rescale by statistics over ``dimensions(*arguments)``."""

    def rule(out: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        reach = reach_of(x)
        if reach is None:
            return None
        chosen = dimensions(x, *args, **kwargs)
        axes = axes_in(reach.layout[d] for d in chosen)
        if any(factors_along(reach.layout, axis) for axis in axes):
            reach = replace(reach, context=True)
        return (reach,) * len(out) if isinstance(out, tuple) else reach

    return rule


def dense(out: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, *_: Any) -> Reach | None:
    """Return the reach of ``aten::linear``."""
    reach = reach_of(x)
    return None if reach is None else contracted(reach, -1, out.shape[-1])


def product(out: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> Reach | None:
    """Return the reach of a matrix product (..., M, K) × (..., K, N): a result sees what its row and column see.

    Attention scores are positions × positions. Their rows, the queries, keep their positions; their columns, the keys,
    will be summed over next, with the values, and count as channels until then.
    """
    left, right = reach_of(first), reach_of(second)
    if left is None and right is None:
        return None
    if left is None or right is None or first.ndim < 2 or second.ndim < 2:
        return _weighted(out, first, second, left, right)
    rows, columns = left.layout[-2], right.layout[-1]
    result = reduced(left, [-1], keep=False)
    if axes_in([right.layout[-2]]):
        if rows == right.layout[-2]:
            right = united(right, -2)
            right_reach = replace(right, layout=(*right.layout[:-2], rows))
        else:
            right_reach = reduced(right, [-2, -1], keep=False)
            right_reach = replace(right_reach, layout=(*right_reach.layout, unmapped(1)))
            result = seeing_all(result, _global_axes(right, right_reach, -2) & axes_in([rows]))
    elif axes_in([rows]) & axes_in([columns]):
        keys = united(right, -1) if columns == rows else seeing_all(right, axes_in([columns]))
        right_reach = replace(keys, layout=(*keys.layout[:-2], rows))
        columns = unmapped(out.shape[-1])
    else:
        right_reach = reduced(right, [-2], keep=True)
        wide = (*result.layout, unmapped(1))
        return combined([replace(result, layout=wide), right_reach], out.shape, gates=False)
    result = combined([result, right_reach], out.shape[:-1], gates=False)
    return replace(result, layout=(*result.layout, columns if extent(columns) == out.shape[-1] else unmapped(1)))


def _weighted(
    out: torch.Tensor, first: torch.Tensor, second: torch.Tensor, left: Reach | None, right: Reach | None
) -> Reach | None:
    """Return the reach of a matrix product with constant weights on one side, or with a vector."""
    sides = []
    if left is not None:
        sides.append(contracted(left, -1, out.shape[-1]) if second.ndim > 1 else reduced(left, [-1], keep=False))
    if right is not None and second.ndim == 1:
        sides.append(reduced(right, [-1], keep=False))
    elif right is not None:
        sides.append(contracted(right, -2, out.shape[-2]) if first.ndim > 1 else reduced(right, [-2], keep=False))
    return combined(sides, out.shape)


def added_product(out: torch.Tensor, bias: torch.Tensor, first: torch.Tensor, second: torch.Tensor, **_: Any) -> Any:
    """Return the reach of ``aten::addmm`` and ``aten::baddbmm``."""
    reach, bias_reach = product(out, first, second), reach_of(bias)
    return reach if bias_reach is None or reach is None else combined([reach, bias_reach], out.shape)


def attention(
    out: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any
) -> Reach | None:
    """Return the reach of ``aten::scaled_dot_product_attention``: each query sees all keys and values."""
    first = out[0] if isinstance(out, tuple) else out
    query_reach = reach_of(query)
    sides = (
        []
        if query_reach is None
        else [replace(query_reach, layout=(*query_reach.layout[:-1], unmapped(first.shape[-1])))]
    )
    for reach in (reach_of(key), reach_of(value)):
        if reach is None:
            continue
        seen_by_query = united(reach, -2)
        if query_reach is None or reach.layout[-2] != query_reach.layout[-2]:
            seen_by_query = reduced(reach, [-2], keep=True)
            sides = [seeing_all(side, _global_axes(reach, seen_by_query, -2)) for side in sides]
        sides.append(replace(seen_by_query, layout=(*seen_by_query.layout[:-1], unmapped(first.shape[-1]))))
    return combined(sides, first.shape) if sides else None


def _global_axes(before: Reach, after: Reach, dimension: int) -> set[int]:
    """Return the axes along ``dimension`` of ``before`` of which each unit sees all in ``after``."""
    axes = axes_in([before.layout[dimension]])
    return {a for a in axes if after.maps[a] is None}


def lookup(out: torch.Tensor, table: torch.Tensor, indices: torch.Tensor, *_: Any, **__: Any) -> Reach | None:
    """Return the reach of ``aten::embedding``: each position of the indices gets channels."""
    reach = reach_of(indices)
    if reach is None:
        return None
    return replace(reach, layout=(*reach.layout, unmapped(out.shape[-1])))


def indexed(out: torch.Tensor, x: torch.Tensor, indices: Sequence[torch.Tensor | None]) -> Reach | None:
    """Return the reach of ``aten::index``: constant indices in one channel dimension select channels.

    All other indices may take any position.
    """
    reach = reach_of(x)
    if reach is None:
        return next((with_unknown_positions(r, out.shape) for i in indices if (r := reach_of(i)) is not None), None)
    indexed_dimensions = [d for d, index in enumerate(indices) if index is not None]
    index = indices[indexed_dimensions[0]]
    if len(indexed_dimensions) > 1 or index is None or axes_in([reach.layout[indexed_dimensions[0]]]):
        return with_unknown_positions(reach, out.shape)
    dimension = indexed_dimensions[0]
    channels = tuple(unmapped(n) for n in out.shape[dimension : dimension + index.ndim])
    return replace(reach, layout=(*reach.layout[:dimension], *channels, *reach.layout[dimension + 1 :]))


def index_select(out: torch.Tensor, x: torch.Tensor, dimension: int, index: torch.Tensor, *_: Any, **__: Any) -> Any:
    """Return the reach of ``aten::index_select``."""
    return indexed(out, x, [None] * (dimension % x.ndim) + [index])


def cumulative(out: torch.Tensor, x: torch.Tensor, dimension: int, *_: Any, **__: Any) -> Reach | None:
    """Return the reach of cumulative sums and sorts: along an axis, the last position sees all."""
    reach = reach_of(x)
    return None if reach is None else seeing_all(reach, axes_in([reach.layout[dimension]]))


def _softmax_dimensions(x: torch.Tensor, dimension: int, *_: Any, **__: Any) -> Sequence[int]:
    """Return the dimension that a softmax normalises over."""
    return [dimension]


def _layer_norm_dimensions(x: torch.Tensor, shape: Sequence[int], *_: Any, **__: Any) -> Sequence[int]:
    """Return the dimensions that a layer norm normalises over."""
    return range(x.ndim - len(shape), x.ndim)


def _group_norm_dimensions(x: torch.Tensor, *_: Any, **__: Any) -> Sequence[int]:
    """Return the dimensions that a group or instance norm normalises over."""
    return range(1, x.ndim)


REDUCTIONS = (
    "mean", "sum", "nansum", "prod", "amax", "amin", "aminmax", "max", "min", "any", "all", "var", "std", "var_mean",
    "std_mean", "norm", "linalg_vector_norm", "logsumexp", "argmax", "argmin", "median", "count_nonzero",
)  # fmt: skip

RULES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax"), rescaling(_softmax_dimensions)),
    **dict.fromkeys(("layer_norm", "native_layer_norm", "rms_norm"), rescaling(_layer_norm_dimensions)),
    **dict.fromkeys(("group_norm", "native_group_norm", "instance_norm"), rescaling(_group_norm_dimensions)),
    **dict.fromkeys(("matmul", "mm", "bmm", "mv"), product),
    **dict.fromkeys(("addmm", "baddbmm"), added_product),
    **dict.fromkeys(("cumsum", "cumprod", "sort", "argsort"), cumulative),
    "linear": dense,
    "scaled_dot_product_attention": attention,
    "_scaled_dot_product_attention_math": attention,
    "embedding": lookup,
    "index": indexed,
    "index_select": index_select,
}
