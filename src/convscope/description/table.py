"""A description of a network as a person reads it: a table of a hundred columns, long networks folded by block."""

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
MOST_LINES = 60  # of a table that is not folded
LONGEST_PATH, LONGEST_TYPE, LONGEST_FORMULA = 22, 15, 25


def print_description(description: Description, fold: Literal["auto"] | bool) -> None:
    """A line a layer with its formula, or a line a block; below, what the network has in all."""
    layers = shown_layers(description)
    folded = len(layers) > MOST_LINES if fold == "auto" else fold
    table = _folded(description) if folded else _unfolded(layers)
    console = Console(width=WIDTH, highlight=False)
    console.print(table)
    console.print()
    for line in totals(description):
        console.print(escape(line))


def shown_layers(description: Description) -> list[Layer]:
    """What a person looks for: layers that have parameters, compute, or change what is seen."""
    layers: list[Layer] = []
    before: Field | None = None
    for layer in description.table.layers:
        sees_more = layer.field is not None and before is not None and layer.field.size != before.size
        if layer.parameters or layer.multiply_adds or layer.geometry is not None or layer.shares or sees_more:
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
            formula = f"of {_shortened(', '.join(layer.shares), LONGEST_FORMULA - 3)}"
        table.add_row(
            _shortened(layer.path, LONGEST_PATH),
            _kind(layer),
            "×".join(map(str, layer.output[1:])) or "–",
            _fitting(formula),
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
    for name, group in groupby(layers, lambda layer: block_of(layer.path, description.parts)):
        members = list(group)
        with_output = [layer for layer in members if layer.output]
        last = with_output[-1] if with_output else members[-1]
        table.add_row(
            _shortened(name, 2 * LONGEST_PATH),
            _shortened(description.classes.get(name, members[0].type), LONGEST_TYPE + 5),
            str(len(members)),
            "×".join(map(str, last.output[1:])) or "–",
            f"{sum(layer.parameters for layer in members):,}",
            f"{sum(layer.trainable for layer in members):,}",
            format_count(sum(layer.multiply_adds for layer in members)),
            field_text(last.field),
            _stride(last.field),
        )
    return table


def block_of(path: str, parts: Mapping[str, Sequence[str]]) -> str:
    """The name of the block that ``path`` lies in, the innermost; of what lies in none, its own first name."""
    best, depth = path.partition(".")[0], -1
    for name, modules in parts.items():
        for module in modules:
            if (path == module or path.startswith(f"{module}.")) and len(module) > depth:
                best, depth = name, len(module)
    return best


def totals(description: Description) -> list[str]:
    """The network in a few lines."""
    table, measured = description.table, description.measured
    frozen = table.parameters - table.trainable
    shape = "×".join(map(str, table.input_shape[1:]))
    memory = table.activation_bytes / 2**20
    lines = [
        f"{description.model} on {shape}: {table.parameters:,} parameters"
        + (f" ({frozen:,} frozen)" if frozen else "")
        + f", {format_count(table.multiply_adds)} multiply-adds, {memory:,.1f} MiB of activations"
    ]
    if measured is None or measured.field is None:
        return [*lines, "receptive field: every layer sees all of the input"]
    field = measured.field
    unit = "tokens" if len(table.input_shape) == 2 else "pixels"
    kind = "receptive field" if description.layer is None else "receptive field of this layer"
    beside = "; gates or statistics see all of it" if field.context else ""
    if field.everything:
        return [*lines, f"{kind}: all of the input ({measured.path})"]
    return [*lines, f"{kind}: {field} {unit}, stride {_stride(field)}, at {measured.path}{beside}"]


def print_comparison(described: Sequence[Description]) -> None:
    """A line a network."""
    table = _table("model", "input", "layers", "parameters", "mult-adds", "activations", "field", "stride", "at")
    for one in described:
        measured = one.measured
        field = None if measured is None else measured.field
        table.add_row(
            _shortened(one.model, LONGEST_PATH), str(one.input_size), str(len(one.table.layers)),
            f"{one.table.parameters:,}", format_count(one.table.multiply_adds),
            f"{one.table.activation_bytes / 2**20:,.1f} MiB", field_text(field), _stride(field),
            "" if measured is None else _shortened(measured.path, LONGEST_PATH),
        )  # fmt: skip
    Console(width=WIDTH, highlight=False).print(table)


def format_count(count: int) -> str:
    """A number of multiply-adds in three digits, as papers write it."""
    for unit, name in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= unit:
            return f"{count / unit:.{max(0, 3 - len(str(count // unit)))}f} {name}"
    return str(count)


def field_text(field: Field | None) -> str:
    """Its size; a ``+`` behind it stands for gates or statistics that see all."""
    return "" if field is None else f"{field}{'+' if field.context and not field.everything else ''}"


def _stride(field: Field | None) -> str:
    stride = field_stride(field)
    return "" if stride is None else "×".join(f"{s:g}" for s in stride) if isinstance(stride, list) else f"{stride:g}"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    words = {"layer", "type", "block", "model", "formula", "at"}
    for column in columns:
        table.add_column(column, justify="left" if column in words else "right", no_wrap=True)
    return table


def _kind(layer: Layer) -> str:
    """Class and window: ``Conv2d 3×3/2``."""
    if layer.geometry is None:
        return _shortened(layer.type, LONGEST_TYPE)
    told = layer.geometry
    kernel = "×".join(map(str, told.kernel))
    stride = "" if set(told.stride) == {1} else f"/{told.stride[0]}"
    window = f" {kernel}{stride}"
    return _shortened(layer.type, LONGEST_TYPE - len(window)) + window


def _fitting(formula: str) -> str:
    if len(formula) <= LONGEST_FORMULA:
        return formula
    return _shortened(re.sub(r" ([×+]) ", r"\1", formula), LONGEST_FORMULA)


def _shortened(text: str, most: int) -> str:
    """The end of a text: of a path, its most telling part."""
    return escape(text if len(text) <= most else f"…{text[1 - most :]}")
