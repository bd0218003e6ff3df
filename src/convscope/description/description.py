"""The description of a network, and its output as JSON, CSV or Markdown."""

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
COMPARISON_COLUMNS = (
    "model", "input_size", "layers", "parameters", "trainable", "multiply_adds", "activation_bytes",
    "receptive_field", "stride", "layer",
)  # fmt: skip


@dataclass(frozen=True)
class Description:
    """The layers of a network and their receptive fields.

    Attributes:
        model: Name of the network.
        input_size: Side of the square input in pixels; the number of tokens of a text.
        table: The layers.
        blocks: Name of each block, and the paths of its modules.
        module_types: Class name of the module at each path.
        layer: Path of the layer whose receptive field is reported; None for the last layer that makes a feature map.

    Raises:
        UserError: No layer has that path.
    """

    model: str
    input_size: int
    table: ParameterTable
    blocks: Mapping[str, Sequence[str]]
    module_types: Mapping[str, str]
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
    def reported_layer(self) -> Layer | None:
        """The layer whose receptive field is reported; None if no layer makes a feature map."""
        if self.layer is None:
            return self.table.receptive_field
        return next(layer for layer in reversed(self.table.layers) if layer.path == self.layer)


def to_dict(description: Description) -> dict[str, Any]:
    """Return the description as plain containers, for JSON."""
    table, reported_layer = description.table, description.reported_layer
    field = None if reported_layer is None else reported_layer.field
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
            "layer": None if reported_layer is None else reported_layer.path,
        },
        "layers": [layer_to_dict(layer) for layer in table.layers],
    }


def layer_to_dict(layer: Layer) -> dict[str, Any]:
    """Return a layer as plain containers, for JSON. Numbers that are the same along all axes are given once."""
    geometry, field = layer.geometry, layer.field
    return {
        "path": layer.path,
        "type": layer.type,
        "input": list(layer.input),
        "output": list(layer.output),
        "kernel": None if geometry is None else _scalar_if_equal(geometry.kernel),
        "kernel_stride": None if geometry is None else _scalar_if_equal(geometry.stride),
        "padding": None if geometry is None else _scalar_if_equal(geometry.padding),
        "dilation": None if geometry is None else _scalar_if_equal(geometry.dilation),
        "groups": None if geometry is None else geometry.groups,
        "parameters": layer.parameters,
        "trainable": layer.trainable,
        "formula": layer.formula,
        "multiply_adds": layer.multiply_adds,
        "activation_bytes": layer.activation_bytes,
        "receptive_field": field_size(field),
        "stride": field_stride(field),
        "offset": None
        if field is None or field.everything
        else _scalar_if_equal([as_number(at) for at in field.offset]),
        "field_padding": None if field is None or field.everything else _scalar_if_equal(field.padding),
        "context": None if field is None else field.context,
        "shares": list(layer.shares),
    }


def field_size(field: Field | None) -> Any:
    """Return the size of the receptive field along each axis, as one number if all are the same.

    ``global`` if the layer sees all of the input along at least one axis; None if its output does not depend on the
    input.
    """
    if field is None:
        return None
    return "global" if field.everything else _scalar_if_equal(field.size)


def field_stride(field: Field | None) -> Any:
    """Return the number of input positions between neighbouring units, as one number if it is the same on all axes.

    None if the layer sees all of the input along at least one axis, or its output does not depend on the input.
    """
    return (
        None if field is None or field.everything else _scalar_if_equal([as_number(stride) for stride in field.stride])
    )


def _scalar_if_equal(values: Sequence[Any]) -> Any:
    return values[0] if len(set(values)) == 1 else list(values)


def as_json(descriptions: Sequence[Description]) -> str:
    """Return one network as a JSON object, several as a list of objects."""
    content = [to_dict(description) for description in descriptions]
    return json.dumps(content[0] if len(content) == 1 else content, indent=2, ensure_ascii=False)


def as_csv(descriptions: Sequence[Description]) -> str:
    """Return one network as CSV with a row for each layer, several with a row for each network."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    if len(descriptions) == 1:
        writer.writerow(COLUMNS)
        for layer in descriptions[0].table.layers:
            writer.writerow([_cell(value) for value in layer_to_dict(layer).values()])
    else:
        writer.writerow(COMPARISON_COLUMNS)
        writer.writerows([[_cell(value) for value in comparison_row(item)] for item in descriptions])
    return file.getvalue()


def comparison_row(description: Description) -> list[Any]:
    """Return the values of ``COMPARISON_COLUMNS`` for a network."""
    values = to_dict(description)
    return [
        values["model"], values["input_size"], len(values["layers"]), values["parameters"]["total"],
        values["parameters"]["trainable"], values["multiply_adds"], values["activation_bytes"],
        *values["receptive_field"].values(),
    ]  # fmt: skip


def as_markdown(descriptions: Sequence[Description]) -> str:
    """Return a Markdown table: one network with a row for each layer, several with a row for each network."""
    if len(descriptions) > 1:
        rows = [[_with_separators(value) for value in comparison_row(item)] for item in descriptions]
        return _markdown(COMPARISON_COLUMNS, rows)
    shown = ("path", "type", "output", "formula", "parameters", "multiply_adds", "receptive_field", "stride")
    layers = [layer_to_dict(layer) for layer in descriptions[0].table.layers]
    rows = [[_with_separators(layer[column]) for column in shown] for layer in layers]
    values = to_dict(descriptions[0])
    totals = ["**total**", "", "", "",
              _with_separators(values["parameters"]["total"]), _with_separators(values["multiply_adds"]),
              *map(_with_separators, list(values["receptive_field"].values())[:2])]  # fmt: skip
    return _markdown(shown, [*rows, totals])


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return "×".join(map(str, value))
    return "" if value is None else value


def _with_separators(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(_cell(value))
