"""What mixing places makes of a reach: reductions, matrix products, attention, normalisation, lookups, recurrence.

Rules as in ``window_rules``.
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
    digits,
    extent,
    plain,
    reduced,
    seeing_all,
    united,
)
from convscope.insight.tracing.shape_rules import meshed
from convscope.insight.tracing.window_rules import contracted


def reduction(out: Any, x: torch.Tensor, *rest: Any, **named: Any) -> Any:
    """Mean, sum, maximum, variance, norm over some dimensions, or over all of them."""
    reach = reach_of(x)
    if reach is None:
        return None
    first = out[0] if isinstance(out, tuple) else out
    kept = first.ndim == x.ndim
    chosen = _dimensions(x, first, rest, named)
    result = reduced(reach, chosen, kept)
    return (result,) * len(out) if isinstance(out, tuple) else result


def _dimensions(x: torch.Tensor, out: torch.Tensor, rest: Sequence[Any], named: dict[str, Any]) -> Sequence[int]:
    told = named.get("dim")
    if told is None:
        # The dimensions are the first list, or else a lone whole number; norms have their order in front.
        lists = [a for a in rest if isinstance(a, (list, tuple))]
        numbers = [a for a in rest if isinstance(a, int) and not isinstance(a, bool)]
        told = lists[0] if lists else numbers[0] if numbers and out.ndim else None
    if told is None or told == []:
        return range(x.ndim)
    return [told] if isinstance(told, int) else told


def rescaling(dimensions: Callable[..., Sequence[int]]) -> Callable[..., Any]:
    """The rule of what divides every place by a statistic over ``dimensions``: softmax and normalisations."""

    def rule(out: Any, x: torch.Tensor, *rest: Any, **named: Any) -> Any:
        reach = reach_of(x)
        if reach is None:
            return None
        chosen = dimensions(x, *rest, **named)
        axes = axes_in(reach.layout[d] for d in chosen)
        if any(digits(reach.layout, axis) for axis in axes):
            reach = replace(reach, context=True)
        return (reach,) * len(out) if isinstance(out, tuple) else reach

    return rule


def dense(out: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, *_: Any) -> Reach | None:
    """``aten::linear``."""
    reach = reach_of(x)
    return None if reach is None else contracted(reach, -1, out.shape[-1])


def product(out: torch.Tensor, one: torch.Tensor, other: torch.Tensor) -> Reach | None:
    """Matrix products (..., M, K) × (..., K, N): a result sees what its row and its column see.

    Of attention's scores, places × places, the rows keep their places: those that ask. The columns are summed over
    next, with the values, and are taken for channels until then.
    """
    left, right = reach_of(one), reach_of(other)
    if left is None and right is None:
        return None
    if left is None or right is None or one.ndim < 2 or other.ndim < 2:
        return _weighted(out, one, other, left, right)
    rows, columns = left.layout[-2], right.layout[-1]
    result = reduced(left, [-1], keep=False)
    if axes_in([right.layout[-2]]):
        if rows == right.layout[-2]:
            right = united(right, -2)
            answers = replace(right, layout=(*right.layout[:-2], rows))
        else:
            answers = reduced(right, [-2, -1], keep=False)
            answers = replace(answers, layout=(*answers.layout, plain(1)))
            result = seeing_all(result, _lost(right, answers, -2) & axes_in([rows]))
    elif axes_in([rows]) & axes_in([columns]):
        asked = united(right, -1) if columns == rows else seeing_all(right, axes_in([columns]))
        answers = replace(asked, layout=(*asked.layout[:-2], rows))
        columns = plain(out.shape[-1])
    else:
        answers = reduced(right, [-2], keep=True)
        wide = (*result.layout, plain(1))
        return combined([replace(result, layout=wide), answers], out.shape, gates=False)
    result = combined([result, answers], out.shape[:-1], gates=False)
    return replace(result, layout=(*result.layout, columns if extent(columns) == out.shape[-1] else plain(1)))


def _weighted(
    out: torch.Tensor, one: torch.Tensor, other: torch.Tensor, left: Reach | None, right: Reach | None
) -> Reach | None:
    """A matrix product with constant weights on one side, or with a vector."""
    sides = []
    if left is not None:
        sides.append(contracted(left, -1, out.shape[-1]) if other.ndim > 1 else reduced(left, [-1], keep=False))
    if right is not None and other.ndim == 1:
        sides.append(reduced(right, [-1], keep=False))
    elif right is not None:
        sides.append(contracted(right, -2, out.shape[-2]) if one.ndim > 1 else reduced(right, [-2], keep=False))
    return combined(sides, out.shape)


def added_product(out: torch.Tensor, bias: torch.Tensor, one: torch.Tensor, other: torch.Tensor, **_: Any) -> Any:
    """``aten::addmm``, ``aten::baddbmm``."""
    reach, own = product(out, one, other), reach_of(bias)
    return reach if own is None or reach is None else combined([reach, own], out.shape)


def attention(
    out: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any
) -> Reach | None:
    """``aten::scaled_dot_product_attention``: places that ask see all the places that answer them."""
    first = out[0] if isinstance(out, tuple) else out
    asking = reach_of(query)
    sides = [] if asking is None else [replace(asking, layout=(*asking.layout[:-1], plain(first.shape[-1])))]
    for reach in (reach_of(key), reach_of(value)):
        if reach is None:
            continue
        answers = united(reach, -2)
        if asking is None or reach.layout[-2] != asking.layout[-2]:
            answers = reduced(reach, [-2], keep=True)
            sides = [seeing_all(side, _lost(reach, answers, -2)) for side in sides]
        sides.append(replace(answers, layout=(*answers.layout[:-1], plain(first.shape[-1]))))
    return combined(sides, first.shape) if sides else None


def _lost(before: Reach, after: Reach, dimension: int) -> set[int]:
    """Axes along ``dimension`` of which each place sees all ``after``wards."""
    axes = axes_in([before.layout[dimension]])
    return {a for a in axes if after.maps[a] is None}


def lookup(out: torch.Tensor, table: torch.Tensor, indices: torch.Tensor, *_: Any, **__: Any) -> Reach | None:
    """``aten::embedding``: each place of the indices gets channels."""
    reach = reach_of(indices)
    if reach is None:
        return None
    return replace(reach, layout=(*reach.layout, plain(out.shape[-1])))


def indexed(out: torch.Tensor, x: torch.Tensor, indices: Sequence[torch.Tensor | None]) -> Reach | None:
    """``aten::index``: constant indices in one channel dimension reorder channels; all others may take any place."""
    reach = reach_of(x)
    if reach is None:
        return next((meshed(r, out.shape) for i in indices if (r := reach_of(i)) is not None), None)
    touched = [d for d, index in enumerate(indices) if index is not None]
    index = indices[touched[0]]
    if len(touched) > 1 or index is None or axes_in([reach.layout[touched[0]]]):
        return meshed(reach, out.shape)
    at = touched[0]
    made = tuple(plain(n) for n in out.shape[at : at + index.ndim])
    return replace(reach, layout=(*reach.layout[:at], *made, *reach.layout[at + 1 :]))


def picked(out: torch.Tensor, x: torch.Tensor, dimension: int, index: torch.Tensor, *_: Any, **__: Any) -> Any:
    """``aten::index_select``."""
    return indexed(out, x, [None] * (dimension % x.ndim) + [index])


def running(out: torch.Tensor, x: torch.Tensor, dimension: int, *_: Any, **__: Any) -> Reach | None:
    """Running sums and sorts: along an axis, the last place sees all."""
    reach = reach_of(x)
    return None if reach is None else seeing_all(reach, axes_in([reach.layout[dimension]]))


def _of_softmax(x: torch.Tensor, dimension: int, *_: Any, **__: Any) -> Sequence[int]:
    return [dimension]


def _of_layer_norm(x: torch.Tensor, shape: Sequence[int], *_: Any, **__: Any) -> Sequence[int]:
    return range(x.ndim - len(shape), x.ndim)


def _of_group_norm(x: torch.Tensor, *_: Any, **__: Any) -> Sequence[int]:
    return range(1, x.ndim)


REDUCTIONS = (
    "mean", "sum", "nansum", "prod", "amax", "amin", "aminmax", "max", "min", "any", "all", "var", "std", "var_mean",
    "std_mean", "norm", "linalg_vector_norm", "logsumexp", "argmax", "argmin", "median", "count_nonzero",
)  # fmt: skip

RULES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax"), rescaling(_of_softmax)),
    **dict.fromkeys(("layer_norm", "native_layer_norm", "rms_norm"), rescaling(_of_layer_norm)),
    **dict.fromkeys(("group_norm", "native_group_norm", "instance_norm"), rescaling(_of_group_norm)),
    **dict.fromkeys(("matmul", "mm", "bmm", "mv"), product),
    **dict.fromkeys(("addmm", "baddbmm"), added_product),
    **dict.fromkeys(("cumsum", "cumprod", "sort", "argsort"), running),
    "linear": dense,
    "scaled_dot_product_attention": attention,
    "_scaled_dot_product_attention_math": attention,
    "embedding": lookup,
    "index": indexed,
    "index_select": picked,
}
