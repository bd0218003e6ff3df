"""The network, as charts of the run's tables: how far each layer sees, and where the parameters are."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bokeh.models import BasicTickFormatter, ColumnDataSource, NumeralTickFormatter, Span
from bokeh.plotting import figure

from convscope.reports import charting
from convscope.reports.formats import as_dict
from convscope.reports.tables import ShownTable, columns_of, number_in

MOST_LAYERS = 400
MOST_BLOCKS = 60


@dataclass(frozen=True)
class MeasuredField:
    """How much of a layer's field a network uses, sides in pixels.

    Attributes:
        layer: Its path.
        sides: Of the effective field by moment, such as ``before`` and ``after`` the training.
        image: Side of what the network is shown; None where it is not known.
    """

    layer: str
    sides: Mapping[str, float]
    image_sides: float | None


def measured_field(summary: Mapping[str, Any]) -> MeasuredField | None:
    """What ``summary.json`` tells of the effective field; None for nothing."""
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
    """Size of the receptive field, layer by layer: what could be seen and, where it was measured, what is.

    Args:
        fields: A column with the layers' names and one named ``field``, ``theoretical``, ``size`` or
            ``receptive_field``, of which cells without a number (a layer that sees everything) are left out; and
            perhaps one named ``effective``.
        measured: Of one of the layers.
        unit: Of the sizes: pixels, or tokens of a text.
    """
    theoretical = _first(fields, ("theoretical", "receptive_field", "size", "field"), but="effective")
    if theoretical is None or not fields.rows:
        return None
    labels = _labels(fields)[:MOST_LAYERS]
    series = [(theoretical.replace("_", " "), charting.BLUE, _points(fields, theoretical))]
    effective = _first(fields, ("effective",))
    if effective is not None:
        series.append((effective.replace("_", " "), charting.ORANGE, _points(fields, effective)))
    if measured is not None and measured.layer in labels:
        at = len(labels) - 1 - labels[::-1].index(measured.layer)
        colours = {"before": charting.GREY, "after": charting.ORANGE}
        series += [(f"effective, {moment}", colours[moment], [(at, side)]) for moment, side in measured.sides.items()]
    made = charting.chart(height=300, x_axis_label="layer", y_axis_label={"px": "pixels"}.get(unit, unit))
    for name, colour, points in series:
        if not points:
            continue
        source = ColumnDataSource({
            "x": [at for at, _ in points], "y": [side for _, side in points],
            "layer": [charting.plain(labels[at]) for at, _ in points], "what": [name] * len(points),
        })  # fmt: skip
        alone = len(points) == 1
        if not alone:
            made.line("x", "y", source=source, color=colour, line_width=2, legend_label=name)
        dots = made.scatter(
            "x", "y", source=source, color=colour, size=11 if alone else 5, legend_label=name,
            marker="diamond" if alone else "circle",
        )  # fmt: skip
        charting.add_tooltips(made, [("", "@layer"), ("@what", f"@y{{0.#}} {unit}")], renderers=[dots])
    if not made.renderers:
        return None
    if measured is not None and measured.image_sides is not None:
        line = Span(location=measured.image_sides, dimension="width", line_color=charting.NEUTRAL, line_dash="dashed")
        made.add_layout(line)
        made.line([], [], color=charting.NEUTRAL, line_dash="dashed", legend_label="side of the image")
    made.legend.location = "top_left"
    made.legend.background_fill_alpha = 0.0
    made.legend.border_line_color = None
    made.legend.label_text_color = charting.NEUTRAL
    made.legend.click_policy = "hide"
    made.xaxis.formatter = BasicTickFormatter(precision=0)
    return made


def block_chart(blocks: ShownTable) -> figure | None:
    """Parameters of each block, in the network's order: those that a stage trains, and those that it leaves.

    Args:
        blocks: With the columns ``block``, ``trainable`` and ``frozen``.
    """
    told = columns_of(blocks, "block", "trainable", "frozen")
    if told is None or not 0 < len(blocks.rows) <= MOST_BLOCKS:
        return None
    names = [charting.plain(name) for name in told[0]]
    if len(set(names)) < len(names):
        return None
    trainable, frozen = ([number_in(cell) or 0.0 for cell in cells] for cells in told[1:])
    whole = sum(trainable) + sum(frozen) or 1.0
    share = [f"{(a + b) / whole:.1%}" for a, b in zip(trainable, frozen, strict=True)]
    data = {"block": names, "trained": trainable, "frozen": frozen, "share": share}
    made = _bars(names)
    bars = made.hbar_stack(
        ["trained", "frozen"], y="block", height=0.75, color=[charting.GREEN, charting.GREY],
        fill_alpha=[1.0, 0.45], line_color=None, source=ColumnDataSource(data), legend_label=["trained", "frozen"],
    )  # fmt: skip
    tips = [("", "@block"), ("trained", "@trained{0,0}"), ("frozen", "@frozen{0,0}"), ("of the network", "@share")]
    charting.add_tooltips(made, tips, renderers=bars)
    legend = made.legend[0]
    legend.orientation = "horizontal"
    legend.background_fill_alpha = 0.0
    legend.border_line_color = None
    legend.label_text_color = charting.NEUTRAL
    made.add_layout(legend, "above")
    return made


def parameter_chart(parameters: ShownTable) -> figure | None:
    """Parameters by block, in the network's order.

    Args:
        parameters: With the columns ``parameters`` and ``block``; without blocks, the first part of a layer's
            path is taken.
    """
    told = columns_of(parameters, "parameters")
    if told is None:
        return None
    named = columns_of(parameters, "block")
    blocks = named[0] if named else [label.split(".")[0] for label in _labels(parameters)]
    sums: dict[str, float] = {}
    for block, cell in zip(blocks, told[0], strict=True):
        sums[block] = sums.get(block, 0.0) + (number_in(cell) or 0.0)
    sums = {charting.plain(block or "–"): total for block, total in sums.items() if total}
    if not sums or len(sums) > MOST_BLOCKS:
        return None
    whole = sum(sums.values())
    source = ColumnDataSource({
        "block": list(sums), "parameters": list(sums.values()), "share": [f"{s / whole:.1%}" for s in sums.values()],
    })  # fmt: skip
    made = _bars(list(sums))
    bars = made.hbar(y="block", right="parameters", height=0.75, source=source, color=charting.GREEN)
    charting.add_tooltips(made, [("", "@block"), ("parameters", "@parameters{0,0} (@share)")], renderers=[bars])
    return made


def _bars(names: list[str]) -> figure:
    made = charting.chart(
        height=90 + 24 * len(names), y_range=list(reversed(names)), x_axis_label="parameters", tools="",
        toolbar_location=None,
    )  # fmt: skip
    made.xaxis.formatter = NumeralTickFormatter(format="0.[0]a")  # whole numbers of seven digits run into each other
    made.xaxis.ticker.desired_num_ticks = 4
    made.x_range.start = 0
    made.ygrid.grid_line_color = None
    return made


def _points(table: ShownTable, column: str) -> list[tuple[int, float]]:
    """Number of the row, and the number in its cell; of ``7×11`` the larger."""
    cells = (columns_of(table, column) or [[]])[0][:MOST_LAYERS]
    sides = [[number_in(part) for part in cell.split("×")] for cell in cells]
    known = [(at, [side for side in pair if side is not None and math.isfinite(side)]) for at, pair in enumerate(sides)]
    return [(at, max(pair)) for at, pair in known if pair]


def _labels(table: ShownTable) -> list[str]:
    for name in ("path", "layer", "name", "module"):
        found = columns_of(table, name)
        if found:
            return found[0]
    return [row[0] if row else "" for row in table.rows]


def _first(table: ShownTable, wanted: tuple[str, ...], but: str | None = None) -> str | None:
    """The first column that is named after a word of ``wanted`` and has a number in it."""
    named = (name for word in wanted for name in table.columns if word in name and (but is None or but not in name))
    return next((name for name in named if _points(table, name)), None)
