"""What is known of each operation of PyTorch: its rule, its cost, its window, and whether it makes a layer."""

from dataclasses import dataclass
from typing import Any

import torch

from convscope.insight.tracing import joining_rules, mixing_rules, operation_costs, shape_rules, window_rules, windows
from convscope.insight.tracing.shortcuts import SHORTCUTS

LARGEST_CONSTANT = 1 << 16  # elements; smaller ones keep their content, since control flow may ask for it

RULES = {**window_rules.RULES, **shape_rules.RULES, **joining_rules.RULES, **mixing_rules.RULES}
GEOMETRIES = {
    **{f"conv{n}d": windows.convolution_geometry for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": windows.transposed_geometry for n in (1, 2, 3)},
    "convolution": windows.general_geometry,
    **{f"max_pool{n}d": windows.max_pool_geometry for n in (1, 2, 3)},
    **{f"max_pool{n}d_with_indices": windows.max_pool_geometry for n in (1, 2, 3)},
    **{f"avg_pool{n}d": windows.average_pool_geometry for n in (1, 2, 3)},
}
# Layers even where they are called as functions; moving places about is none, and most arithmetic is none.
LAYERS = {
    *window_rules.RULES, *mixing_rules.RULES, *operation_costs.COSTS,
    "batch_norm", "native_batch_norm", "cat", "concat", "stack",
} - {"index", "embedding", "softmax", "_softmax", "max", "min", "any", "all", "argmax"}  # fmt: skip
IDLE = {"dropout", "feature_dropout", "alpha_dropout", "detach", "alias", "contiguous", "to", "clone"}
JOINING = {"add", "sub", "mul", "div", "add_", "sub_", "mul_", "div_"}  # layers where they join two branches
OWN = {"conv", "linear", "norm", "embedding", "addmm"}  # what a module that owns the weight is named for
VIEWS_OF_PARTS = {"slice", "narrow", "select", "split", "chunk", "split_with_sizes", "unbind"}
POINTWISE = {"batch_norm", "relu6", "selu", "type_as", *IDLE}  # composites that need not be taken apart


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of PyTorch.

    Attributes:
        name: In ATen, without its overload.
        rule: From its result and its arguments to the reach of the result; None: it works place by place.
        cost: From the same to its multiply-adds; None: they are not counted.
        geometry: From its arguments to its window; None: it has none.
        shortcut: From its arguments to its result on the meta device; None: PyTorch is asked.
        composite: Whether it is followed through the operations that it is made of.
        writes: Whether it changes an argument.
    """

    name: str
    rule: Any
    cost: Any
    geometry: Any
    shortcut: Any
    composite: bool
    writes: bool


_operations: dict[Any, Operation] = {}


def known(func: Any) -> Operation:
    """What is known of an overload."""
    operation = _operations.get(func)
    if operation is None:
        name = func.overloadpacket.__name__
        composite = torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")
        bare = name if name in RULES or not name.endswith("_") else name.removesuffix("_")
        operation = _operations[func] = Operation(
            name,
            RULES.get(bare),
            operation_costs.COSTS.get(bare),
            GEOMETRIES.get(bare),
            SHORTCUTS.get(name),
            composite and bare not in RULES and bare not in operation_costs.COSTS and bare not in POINTWISE,
            func._schema.is_mutable,
        )
    return operation
