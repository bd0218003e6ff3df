"""A description of a network as data: JSON, CSV, Markdown."""

import csv
import difflib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convscope.errors import UserError
from convscope.insight.parameters import Layer, ParameterTable
from convscope.insight.receptive_field import Field, as_number

COLUMNS = (
    "path", "type", "input", "output", "kernel", "kernel_stride", "padding", "dilation", "groups", "parameters",
    "trainable", "formula", "multiply_adds", "activation_bytes", "receptive_field", "stride", "offset",
    "field_padding", "context", "shares",
)  # fmt: skip
COMPARED = (
    "model", "input_size", "layers", "parameters", "trainable", "multiply_adds", "activation_bytes",
    "receptive_field", "stride", "layer",
)  # fmt: skip


@dataclass(frozen=True)
class Description:
    """A network that was described.

    Attributes:
        model: Its name.
        input_size: Pixels of the square input.
        table: Its layers.
        parts: Blocks: their names and the paths of their modules.
        classes: Class of the module at each path.
        layer: Path of the layer whose field is asked for; None: the network's.

    Raises:
        UserError: No layer has that path.
    """

    model: str
    input_size: int
    table: ParameterTable
    parts: Mapping[str, Sequence[str]]
    classes: Mapping[str, str]
    layer: str | None = None

    def __post_init__(self) -> None:
        paths = [layer.path for layer in self.table.layers]
        if self.layer is not None and self.layer not in paths:
            near = difflib.get_close_matches(self.layer, paths, n=5, cutoff=0.3)
            raise UserError(
                f"layer={self.layer}: {self.model} runs no such layer; near names: {', '.join(near) or 'none'} "
                f"(all: output=json)"
            )

    @property
    def measured(self) -> Layer | None:
        """The layer whose field is reported."""
        if self.layer is None:
            return self.table.receptive_field
        return next(layer for layer in reversed(self.table.layers) if layer.path == self.layer)


def to_plain(description: Description) -> dict[str, Any]:
    """As JSON has it."""
    table, measured = description.table, description.measured
    field = None if measured is None else measured.field
    return {
        "model": description.model,
        "input_size": description.input_size,
        "input": list(table.input_shape),
        "parameters": {"total": table.parameters, "trainable": table.trainable},
        "multiply_adds": table.multiply_adds,
        "activation_bytes": table.activation_bytes,
        "receptive_field": {
            "size": field_size(field),
            "stride": field_stride(field),
            "layer": None if measured is None else measured.path,
        },
        "layers": [layer_to_plain(layer) for layer in table.layers],
    }


def layer_to_plain(layer: Layer) -> dict[str, Any]:
    """A layer as JSON has it; numbers that are the same along all axes are given once."""
    geometry, field = layer.geometry, layer.field
    return {
        "path": layer.path,
        "type": layer.type,
        "input": list(layer.input),
        "output": list(layer.output),
        "kernel": None if geometry is None else _once(geometry.kernel),
        "kernel_stride": None if geometry is None else _once(geometry.stride),
        "padding": None if geometry is None else _once(geometry.padding),
        "dilation": None if geometry is None else _once(geometry.dilation),
        "groups": None if geometry is None else geometry.groups,
        "parameters": layer.parameters,
        "trainable": layer.trainable,
        "formula": layer.formula,
        "multiply_adds": layer.multiply_adds,
        "activation_bytes": layer.activation_bytes,
        "receptive_field": field_size(field),
        "stride": field_stride(field),
        "offset": None if field is None or field.everything else _once([as_number(at) for at in field.offset]),
        "field_padding": None if field is None or field.everything else _once(field.padding),
        "context": None if field is None else field.context,
        "shares": list(layer.shares),
    }


def field_size(field: Field | None) -> Any:
    """Places; ``global`` where a layer sees everything; None where the input does not reach it."""
    if field is None:
        return None
    return "global" if field.everything else _once(field.size)


def field_stride(field: Field | None) -> Any:
    """Input places from unit to unit; None where there is one unit, or none."""
    return None if field is None or field.everything else _once([as_number(stride) for stride in field.stride])


def _once(values: Sequence[Any]) -> Any:
    return values[0] if len(set(values)) == 1 else list(values)


def as_json(described: Sequence[Description]) -> str:
    """One network as an object, several as a list of them."""
    content = [to_plain(description) for description in described]
    return json.dumps(content[0] if len(content) == 1 else content, indent=2, ensure_ascii=False)


def as_csv(described: Sequence[Description]) -> str:
    """One network with a line a layer, several with a line each."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    if len(described) == 1:
        writer.writerow(COLUMNS)
        for layer in described[0].table.layers:
            writer.writerow([_cell(value) for value in layer_to_plain(layer).values()])
    else:
        writer.writerow(COMPARED)
        writer.writerows([[_cell(value) for value in comparison_row(one)] for one in described])
    return file.getvalue()


def comparison_row(description: Description) -> list[Any]:
    """A network in one line: the values of ``COMPARED``."""
    told = to_plain(description)
    return [
        told["model"], told["input_size"], len(told["layers"]), told["parameters"]["total"],
        told["parameters"]["trainable"], told["multiply_adds"], told["activation_bytes"],
        *told["receptive_field"].values(),
    ]  # fmt: skip


def as_markdown(described: Sequence[Description]) -> str:
    """A table for a README: layers with what they have, or a line for each network."""
    if len(described) > 1:
        rows = [[_grouped(value) for value in comparison_row(one)] for one in described]
        return _markdown(COMPARED, rows)
    shown = ("path", "type", "output", "formula", "parameters", "multiply_adds", "receptive_field", "stride")
    layers = [layer_to_plain(layer) for layer in described[0].table.layers]
    rows = [[_grouped(layer[column]) for column in shown] for layer in layers]
    told = to_plain(described[0])
    totals = ["**total**", "", "", "", _grouped(told["parameters"]["total"]), _grouped(told["multiply_adds"]),
              *map(_grouped, list(told["receptive_field"].values())[:2])]  # fmt: skip
    return _markdown(shown, [*rows, totals])


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return "×".join(map(str, value))
    return "" if value is None else value


def _grouped(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(_cell(value))
