"""Prints the description of a network as a table, 100 characters wide; long networks are folded into blocks."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from convscope.description.description import Description, field_stride
from convscope.insight.parameters import Layer
from convscope.insight.receptive_field import Field

WIDTH = 100
MAX_LINES = 60  # longer tables are folded
MAX_PATH, MAX_TYPE, MAX_FORMULA = 22, 15, 25


def print_description(description: Description, fold: Literal["auto"] | bool) -> None:
    """Print a row for each layer with its formula, or a row for each block; below it, the totals of the network.

    Args:
        description: The network.
        fold: Whether to print blocks; ``auto`` does so if there are more than ``MAX_LINES`` layers.
    """
    layers = visible_layers(description)
    folded = len(layers) > MAX_LINES if fold == "auto" else fold
    table = _folded(description) if folded else _unfolded(layers)
    console = Console(width=WIDTH, highlight=False)
    console.print(table)
    console.print()
    for line in totals(description):
        console.print(escape(line))


def visible_layers(description: Description) -> list[Layer]:
    """Return the layers to print: those that have parameters, compute, or change the receptive field."""
    layers: list[Layer] = []
    before: Field | None = None
    for layer in description.table.layers:
        field_changes = layer.field is not None and before is not None and layer.field.size != before.size
        if layer.parameters or layer.multiply_adds or layer.geometry is not None or layer.shares or field_changes:
            layers.append(layer)
            before = layer.field
        if layer.path == description.layer:
            break
    return layers


def _unfolded(layers: Sequence[Layer]) -> Table:
    table = _table("layer", "type", "output", "formula", "parameters", "mult-adds", "field", "stride")
    for layer in layers:
        formula = layer.formula.partition(" = ")[0]
        if layer.shares and not formula:
            formula = f"of {_shortened(', '.join(layer.shares), MAX_FORMULA - 3)}"
        table.add_row(
            _shortened(layer.path, MAX_PATH),
            _type_and_window(layer),
            "×".join(map(str, layer.output[1:])) or "–",
            _fit_formula(formula),
            f"{layer.parameters:,}" if layer.parameters else "",
            format_count(layer.multiply_adds) if layer.multiply_adds else "",
            field_text(layer.field),
            _stride(layer.field),
        )
    return table


def _folded(description: Description) -> Table:
    table = _table("block", "type", "layers", "output", "parameters", "trainable", "mult-adds", "field", "stride")
    layers = list(description.table.layers)
    if description.layer is not None:
        layers = layers[: [layer.path for layer in layers].index(description.layer) + 1]
    for name, group in groupby(layers, lambda layer: block_of(layer.path, description.blocks)):
        members = list(group)
        with_output = [layer for layer in members if layer.output]
        last = with_output[-1] if with_output else members[-1]
        table.add_row(
            _shortened(name, 2 * MAX_PATH),
            _shortened(description.module_types.get(name, members[0].type), MAX_TYPE + 5),
            str(len(members)),
            "×".join(map(str, last.output[1:])) or "–",
            f"{sum(layer.parameters for layer in members):,}",
            f"{sum(layer.trainable for layer in members):,}",
            format_count(sum(layer.multiply_adds for layer in members)),
            field_text(last.field),
            _stride(last.field),
        )
    return table


def block_of(path: str, blocks: Mapping[str, Sequence[str]]) -> str:
    """Return the name of the innermost block that contains ``path``; the first part of ``path`` if none does."""
    best, depth = path.partition(".")[0], -1
    for name, modules in blocks.items():
        for module in modules:
            if (path == module or path.startswith(f"{module}.")) and len(module) > depth:
                best, depth = name, len(module)
    return best


def totals(description: Description) -> list[str]:
    """Return the parameters, multiply-adds, activations and receptive field of the network, as lines of text."""
    table, reported_layer = description.table, description.reported_layer
    frozen = table.parameters - table.trainable
    shape = "×".join(map(str, table.input_shape[1:]))
    memory = table.activation_bytes / 2**20
    lines = [
        f"{description.model} on {shape}: {table.parameters:,} parameters"
        + (f" ({frozen:,} frozen)" if frozen else "")
        + f", {format_count(table.multiply_adds)} multiply-adds, {memory:,.1f} MiB of activations"
    ]
    if reported_layer is None or reported_layer.field is None:
        return [*lines, "receptive field: none (no feature map, or an output that does not depend on the input)"]
    field = reported_layer.field
    unit = "tokens" if len(table.input_shape) == 2 else "pixels"
    kind = "receptive field" if description.layer is None else "receptive field of this layer"
    context_note = "; gates or statistics see all of it" if field.context else ""
    if field.everything:
        return [*lines, f"{kind}: all of the input ({reported_layer.path})"]
    return [*lines, f"{kind}: {field} {unit}, stride {_stride(field)}, at {reported_layer.path}{context_note}"]


def print_comparison(descriptions: Sequence[Description]) -> None:
    """Print a table with a row for each network."""
    table = _table("model", "input", "layers", "parameters", "mult-adds", "activations", "field", "stride", "at")
    for description in descriptions:
        reported_layer = description.reported_layer
        field = None if reported_layer is None else reported_layer.field
        table.add_row(
            _shortened(description.model, MAX_PATH), str(description.input_size), str(len(description.table.layers)),
            f"{description.table.parameters:,}", format_count(description.table.multiply_adds),
            f"{description.table.activation_bytes / 2**20:,.1f} MiB", field_text(field), _stride(field),
            "" if reported_layer is None else _shortened(reported_layer.path, MAX_PATH),
        )  # fmt: skip
    Console(width=WIDTH, highlight=False).print(table)


def format_count(count: int) -> str:
    """Return a number of multiply-adds with three digits and a unit, such as ``4.09 G``."""
    for unit, name in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= unit:
            return f"{count / unit:.{max(0, 3 - len(str(count // unit)))}f} {name}"
    return str(count)


def field_text(field: Field | None) -> str:
    """Return the size of a receptive field; a ``+`` marks gates or statistics that see all of the input."""
    return "" if field is None else f"{field}{'+' if field.context and not field.everything else ''}"


def _stride(field: Field | None) -> str:
    stride = field_stride(field)
    return "" if stride is None else "×".join(f"{s:g}" for s in stride) if isinstance(stride, list) else f"{stride:g}"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    left_aligned = {"layer", "type", "block", "model", "formula", "at"}
    for column in columns:
        table.add_column(column, justify="left" if column in left_aligned else "right", no_wrap=True)
    return table


def _type_and_window(layer: Layer) -> str:
    """Return the class name with kernel and stride, such as ``Conv2d 3×3/2``."""
    if layer.geometry is None:
        return _shortened(layer.type, MAX_TYPE)
    geometry = layer.geometry
    kernel = "×".join(map(str, geometry.kernel))
    stride = "" if set(geometry.stride) == {1} else f"/{geometry.stride[0]}"
    window = f" {kernel}{stride}"
    return _shortened(layer.type, MAX_TYPE - len(window)) + window


def _fit_formula(formula: str) -> str:
    if len(formula) <= MAX_FORMULA:
        return formula
    return _shortened(re.sub(r" ([×+]) ", r"\1", formula), MAX_FORMULA)


def _shortened(text: str, max_length: int) -> str:
    """Return the last ``max_length`` characters of ``text``, the part of a path that says most."""
    return escape(text if len(text) <= max_length else f"…{text[1 - max_length :]}")
