"""The table of PyTorch's operations: reach rule, cost, window, and whether an operation counts as a layer."""

from dataclasses import dataclass
from typing import Any

import torch

from convscope.insight.tracing import joining_rules, mixing_rules, operation_costs, shape_rules, window_rules, windows
from convscope.insight.tracing.shortcuts import SHORTCUTS

LARGEST_CONSTANT = 1 << 16  # elements; smaller buffers keep their values, since control flow may depend on them

RULES = {**window_rules.RULES, **shape_rules.RULES, **joining_rules.RULES, **mixing_rules.RULES}
GEOMETRIES = {
    **{f"conv{n}d": windows.convolution_geometry for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": windows.transposed_geometry for n in (1, 2, 3)},
    "convolution": windows.general_geometry,
    **{f"max_pool{n}d": windows.max_pool_geometry for n in (1, 2, 3)},
    **{f"max_pool{n}d_with_indices": windows.max_pool_geometry for n in (1, 2, 3)},
    **{f"avg_pool{n}d": windows.average_pool_geometry for n in (1, 2, 3)},
}
# Operations that are layers even if called as functions; moving positions is none, and most arithmetic is none.
LAYERS = {
    *window_rules.RULES, *mixing_rules.RULES, *operation_costs.COSTS,
    "batch_norm", "native_batch_norm", "cat", "concat", "stack",
} - {"index", "embedding", "softmax", "_softmax", "max", "min", "any", "all", "argmax"}  # fmt: skip
IGNORED = {
    "dropout",
    "feature_dropout",
    "alpha_dropout",
    "detach",
    "alias",
    "contiguous",
    "to",
    "clone",
}  # not recorded
JOINING = {"add", "sub", "mul", "div", "add_", "sub_", "mul_", "div_"}  # layers if they join two branches
OWNED_WEIGHT_OPERATIONS = {
    "conv",
    "linear",
    "norm",
    "embedding",
    "addmm",
}  # layers that take the name of the module that owns the weight
VIEWS_OF_PARTS = {"slice", "narrow", "select", "split", "chunk", "split_with_sizes", "unbind"}
POINTWISE = {"batch_norm", "relu6", "selu", "type_as", *IGNORED}  # composite operations that need not be decomposed


@dataclass(frozen=True, slots=True)
class Operation:
    """How one operation of PyTorch is traced.

    Attributes:
        name: Name in ATen, without the overload.
        rule: Function of the result and the arguments that returns the reach of the result; None: the operation works
            position by position.
        cost: Function of the result and the arguments that returns the multiply-adds; None: they are not counted.
        geometry: Function of the arguments that returns the window; None: the operation has none.
        shortcut: Function of the arguments that returns the result on the meta device, or None if only PyTorch can;
            None: PyTorch always computes it.
        composite: Whether tracing decomposes it into the operations that it consists of.
        writes: Whether it changes an argument in place.
    """

    name: str
    rule: Any
    cost: Any
    geometry: Any
    shortcut: Any
    composite: bool
    writes: bool


_operations: dict[Any, Operation] = {}


def find_operation(func: Any) -> Operation:
    """Return the table's entry for an overload of an ATen operation, such as ``aten.add.Tensor``."""
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
