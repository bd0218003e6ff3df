"""Charts of the network from the run's tables: receptive field of each layer, and parameters of each block."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bokeh.models import BasicTickFormatter, ColumnDataSource, NumeralTickFormatter, Span
from bokeh.plotting import figure

from convscope.reports import charting
from convscope.reports.formats import as_dict
from convscope.reports.tables import ShownTable, columns_of, number_in

MAX_LAYERS = 400
MAX_BLOCKS = 60


@dataclass(frozen=True)
class MeasuredField:
    """The measured effective receptive field of one layer.

    Attributes:
        layer: Path of the layer.
        sides: Side of the effective field in pixels by moment, ``before`` or ``after`` the training.
        image_side: Side of the network's input in pixels; None if unknown.
    """

    layer: str
    sides: Mapping[str, float]
    image_side: float | None


def measured_field(summary: Mapping[str, Any]) -> MeasuredField | None:
    """Return the effective receptive field that ``summary.json`` has; None if it has none."""
    details = as_dict(as_dict(summary.get("receptive_field")).get("details"))
    sides = {
        moment: float(side)
        for moment in ("before", "after")
        if isinstance(side := as_dict(details.get(moment)).get("side"), (int, float))
    }
    if not sides or "layer" not in details:
        return None
    shape = as_dict(summary.get("model")).get("input")
    image = float(shape[-1]) if isinstance(shape, list) and shape and isinstance(shape[-1], int) else None
    return MeasuredField(str(details["layer"]), sides, image)


def field_chart(fields: ShownTable, measured: MeasuredField | None = None, unit: str = "px") -> figure | None:
    """Return the receptive field, layer by layer: the theoretical one and, if it was measured, the effective one.

    Args:
        fields: Table with a column of layer names, one named ``field``, ``theoretical``, ``size`` or
            ``receptive_field``, and optionally one named ``effective``. Cells without a number (of a layer that sees
            the whole input) are left out.
        measured: Effective field of one of the layers.
        unit: Unit of the sizes: ``px``, or tokens for texts.

    Returns:
        The chart; None if the table has no sizes.
    """
    theoretical = _first(fields, ("theoretical", "receptive_field", "size", "field"), excluding="effective")
    if theoretical is None or not fields.rows:
        return None
    labels = _labels(fields)[:MAX_LAYERS]
    series = [(theoretical.replace("_", " "), charting.BLUE, _points(fields, theoretical))]
    effective = _first(fields, ("effective",))
    if effective is not None:
        series.append((effective.replace("_", " "), charting.ORANGE, _points(fields, effective)))
    if measured is not None and measured.layer in labels:
        index = len(labels) - 1 - labels[::-1].index(measured.layer)
        colours = {"before": charting.GREY, "after": charting.ORANGE}
        series += [
            (f"effective, {moment}", colours[moment], [(index, side)]) for moment, side in measured.sides.items()
        ]
    plot = charting.chart(height=300, x_axis_label="layer", y_axis_label={"px": "pixels"}.get(unit, unit))
    for name, colour, points in series:
        if not points:
            continue
        source = ColumnDataSource({
            "x": [index for index, _ in points], "y": [side for _, side in points],
            "layer": [charting.escape_tex(labels[index]) for index, _ in points], "what": [name] * len(points),
        })  # fmt: skip
        alone = len(points) == 1
        if not alone:
            plot.line("x", "y", source=source, color=colour, line_width=2, legend_label=name)
        dots = plot.scatter(
            "x", "y", source=source, color=colour, size=11 if alone else 5, legend_label=name,
            marker="diamond" if alone else "circle",
        )  # fmt: skip
        charting.add_tooltips(plot, [("", "@layer"), ("@what", f"@y{{0.#}} {unit}")], renderers=[dots])
    if not plot.renderers:
        return None
    if measured is not None and measured.image_side is not None:
        line = Span(location=measured.image_side, dimension="width", line_color=charting.NEUTRAL, line_dash="dashed")
        plot.add_layout(line)
        plot.line([], [], color=charting.NEUTRAL, line_dash="dashed", legend_label="side of the image")
    plot.legend.location = "top_left"
    plot.legend.background_fill_alpha = 0.0
    plot.legend.border_line_color = None
    plot.legend.label_text_color = charting.NEUTRAL
    plot.legend.click_policy = "hide"
    plot.xaxis.formatter = BasicTickFormatter(precision=0)
    return plot


def block_chart(blocks: ShownTable) -> figure | None:
    """Return the parameters of each block, in the network's order: those that a stage trains, and the frozen ones.

    Args:
        blocks: Table with the columns ``block``, ``trainable`` and ``frozen``.

    Returns:
        The chart; None if a column is missing, two blocks share a name, or there are none or more than 60 blocks.
    """
    columns = columns_of(blocks, "block", "trainable", "frozen")
    if columns is None or not 0 < len(blocks.rows) <= MAX_BLOCKS:
        return None
    names = [charting.escape_tex(name) for name in columns[0]]
    if len(set(names)) < len(names):
        return None
    trainable, frozen = ([number_in(cell) or 0.0 for cell in cells] for cells in columns[1:])
    total = sum(trainable) + sum(frozen) or 1.0
    share = [f"{(a + b) / total:.1%}" for a, b in zip(trainable, frozen, strict=True)]
    data = {"block": names, "trained": trainable, "frozen": frozen, "share": share}
    plot = _bars(names)
    bars = plot.hbar_stack(
        ["trained", "frozen"], y="block", height=0.75, color=[charting.GREEN, charting.GREY],
        fill_alpha=[1.0, 0.45], line_color=None, source=ColumnDataSource(data), legend_label=["trained", "frozen"],
    )  # fmt: skip
    tips = [("", "@block"), ("trained", "@trained{0,0}"), ("frozen", "@frozen{0,0}"), ("of the network", "@share")]
    charting.add_tooltips(plot, tips, renderers=bars)
    legend = plot.legend[0]
    legend.orientation = "horizontal"
    legend.background_fill_alpha = 0.0
    legend.border_line_color = None
    legend.label_text_color = charting.NEUTRAL
    plot.add_layout(legend, "above")
    return plot


def parameter_chart(parameters: ShownTable) -> figure | None:
    """Return the parameters by block, in the network's order.

    Args:
        parameters: Table with the column ``parameters`` and optionally ``block``; without blocks, layers are grouped by
            the first part of their path.

    Returns:
        The chart; None if there are no parameters, or more than 60 blocks.
    """
    counts = columns_of(parameters, "parameters")
    if counts is None:
        return None
    named = columns_of(parameters, "block")
    blocks = named[0] if named else [label.split(".")[0] for label in _labels(parameters)]
    sums: dict[str, float] = {}
    for block, cell in zip(blocks, counts[0], strict=True):
        sums[block] = sums.get(block, 0.0) + (number_in(cell) or 0.0)
    sums = {charting.escape_tex(block or "–"): count for block, count in sums.items() if count}
    if not sums or len(sums) > MAX_BLOCKS:
        return None
    total = sum(sums.values())
    source = ColumnDataSource({
        "block": list(sums), "parameters": list(sums.values()), "share": [f"{s / total:.1%}" for s in sums.values()],
    })  # fmt: skip
    plot = _bars(list(sums))
    bars = plot.hbar(y="block", right="parameters", height=0.75, source=source, color=charting.GREEN)
    charting.add_tooltips(plot, [("", "@block"), ("parameters", "@parameters{0,0} (@share)")], renderers=[bars])
    return plot


def _bars(names: list[str]) -> figure:
    """Return an empty chart for horizontal bars with these names, the first on top."""
    plot = charting.chart(
        height=90 + 24 * len(names), y_range=list(reversed(names)), x_axis_label="parameters", tools="",
        toolbar_location=None,
    )  # fmt: skip
    plot.xaxis.formatter = NumeralTickFormatter(format="0.[0]a")  # labels of seven digits would overlap
    plot.xaxis.ticker.desired_num_ticks = 4
    plot.x_range.start = 0
    plot.ygrid.grid_line_color = None
    return plot


def _points(table: ShownTable, column: str) -> list[tuple[int, float]]:
    """Return index and number of each cell of a column that has one; the larger number of ``7×11``."""
    cells = (columns_of(table, column) or [[]])[0][:MAX_LAYERS]
    sides = [[number_in(part) for part in cell.split("×")] for cell in cells]
    known = [
        (index, [side for side in pair if side is not None and math.isfinite(side)]) for index, pair in enumerate(sides)
    ]
    return [(index, max(pair)) for index, pair in known if pair]


def _labels(table: ShownTable) -> list[str]:
    """Return the names of the layers, from the column path, layer, name or module, else from the first column."""
    for name in ("path", "layer", "name", "module"):
        columns = columns_of(table, name)
        if columns:
            return columns[0]
    return [row[0] if row else "" for row in table.rows]


def _first(table: ShownTable, candidates: tuple[str, ...], excluding: str | None = None) -> str | None:
    """Return the first column that holds a number and has one of ``candidates``, not ``excluding``, in its name."""
    named = (
        name
        for word in candidates
        for name in table.columns
        if word in name and (excluding is None or excluding not in name)
    )
    return next((name for name in named if _points(table, name)), None)
