"""What was learned, as charts of the run's tables: confusions, receptive fields, parameters by block."""

import math
from collections import Counter

from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

from convscope.tracking.report import charting
from convscope.tracking.report.tables import ShownTable, columns_of, number_in

MOST_CLASSES = 40
MOST_LAYERS = 400
MOST_SHADE = 0.6  # of a cell; beyond it, the number in it could not be read on it


def confusion_chart(predictions: ShownTable, classes: list[str]) -> figure | None:
    """True classes down, predicted across; the shade is the share of the row. None beyond 40 classes.

    Args:
        predictions: With the columns ``label`` and ``prediction``.
        classes: In their order; empty: those that the table has, sorted.
    """
    told = columns_of(predictions, "label", "prediction")
    if told is None or not predictions.rows:
        return None
    classes = classes or sorted({*told[0], *told[1]})
    if not 2 <= len(classes) <= MOST_CLASSES or not {*told[0], *told[1]} <= set(classes):
        return None
    counts = Counter(zip(*told, strict=True))
    totals = Counter(told[0])
    cells = [(true, predicted, counts[true, predicted]) for true in classes for predicted in classes]
    shares = [count / totals[true] if totals[true] else 0.0 for true, _, count in cells]
    names = {name: charting.plain(name) for name in classes}
    source = ColumnDataSource({
        "true": [names[true] for true, _, _ in cells],
        "predicted": [names[predicted] for _, predicted, _ in cells],
        "count": [count for _, _, count in cells],
        "text": [f"{count}" if count else "" for _, _, count in cells],
        "share": [f"{share:.1%}" for share in shares],
        "shade": [MOST_SHADE * share for share in shares],
        "colour": [charting.BLUE if true == predicted else charting.RED for true, predicted, _ in cells],
    })  # fmt: skip
    shown = list(names.values())
    made = charting.chart(
        height=min(720, 130 + max(34, 110 - 12 * len(shown)) * len(shown)),
        x_range=shown, y_range=list(reversed(shown)), x_axis_label="predicted", y_axis_label="true",
        tools="", toolbar_location=None,
    )  # fmt: skip
    cell = made.rect(
        "predicted", "true", width=0.97, height=0.97, source=source,
        fill_color="colour", fill_alpha="shade", line_color=charting.NEUTRAL, line_alpha=0.25,
    )  # fmt: skip
    if len(shown) <= 20:
        made.text(
            "predicted", "true", text="text", source=source, text_align="center", text_baseline="middle",
            text_color=charting.NEUTRAL, text_font_size="14px" if len(shown) <= 6 else "11px", tags=["ink"],
        )  # fmt: skip
    charting.tips(
        made, [("true", "@true"), ("predicted", "@predicted"), ("pictures", "@count"), ("of the class", "@share")],
        renderers=[cell],
    )  # fmt: skip
    made.ygrid.grid_line_color = None
    if len(shown) > 4:
        made.xaxis.major_label_orientation = math.pi / 3
    return made


def field_chart(fields: ShownTable) -> figure | None:
    """Size of the receptive field, layer by layer: what could be seen and, where it was measured, what is.

    Args:
        fields: A column with the layers' names, first, and columns of numbers whose names say ``theoretical``,
            ``size`` or ``receptive_field``, and ``effective`` (or ``radius``).
    """
    numeric = [name for name, is_number in zip(fields.columns, fields.numeric, strict=True) if is_number]
    theoretical = _first(numeric, ("theoretical", "receptive_field", "size"), but="effective")
    effective = _first(numeric, ("effective",))
    if theoretical is None or not fields.rows:
        return None
    labels = _labels(fields)[:MOST_LAYERS]
    made = charting.chart(height=300, x_axis_label="layer", y_axis_label="pixels")
    for name, colour in ((theoretical, charting.BLUE), (effective, charting.ORANGE)):
        if name is None:
            continue
        cells = (columns_of(fields, name) or [[]])[0][:MOST_LAYERS]
        values = [(at, number_in(cell)) for at, cell in enumerate(cells)]
        known = [(at, value) for at, value in values if value is not None and math.isfinite(value)]
        if not known:
            continue
        source = ColumnDataSource({
            "x": [at for at, _ in known], "y": [value for _, value in known],
            "layer": [charting.plain(labels[at]) for at, _ in known], "what": [name.replace("_", " ")] * len(known),
        })  # fmt: skip
        made.line("x", "y", source=source, color=colour, line_width=2, legend_label=name.replace("_", " "))
        dots = made.scatter("x", "y", source=source, color=colour, size=5, legend_label=name.replace("_", " "))
        charting.tips(made, [("", "@layer"), ("@what", "@y{0.#} px")], renderers=[dots])
    made.legend.location = "top_left"
    made.legend.background_fill_alpha = 0.0
    made.legend.border_line_color = None
    made.legend.label_text_color = charting.NEUTRAL
    made.legend.click_policy = "hide"
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
    if not sums or len(sums) > 60:
        return None
    whole = sum(sums.values())
    source = ColumnDataSource({
        "block": list(sums), "parameters": list(sums.values()), "share": [f"{s / whole:.1%}" for s in sums.values()],
    })  # fmt: skip
    made = charting.chart(
        height=60 + 24 * len(sums),
        y_range=list(reversed(sums)),
        x_axis_label="parameters",
        tools="",
        toolbar_location=None,
    )
    bars = made.hbar(y="block", right="parameters", height=0.75, source=source, color=charting.GREEN)
    charting.tips(made, [("", "@block"), ("parameters", "@parameters{0,0} (@share)")], renderers=[bars])
    made.xaxis.formatter.use_scientific = False
    made.x_range.start = 0
    made.ygrid.grid_line_color = None
    return made


def _labels(table: ShownTable) -> list[str]:
    for name in ("path", "layer", "name", "module"):
        found = columns_of(table, name)
        if found:
            return found[0]
    return [row[0] if row else "" for row in table.rows]


def _first(names: list[str], wanted: tuple[str, ...], but: str | None = None) -> str | None:
    for word in wanted:
        for name in names:
            if word in name.lower() and (but is None or but not in name.lower()):
                return name
    return None
