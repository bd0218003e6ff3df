"""The confusion matrix, as a chart of the run's predictions."""

import math
from collections import Counter

from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

from convscope.reports import charting
from convscope.reports.tables import ShownTable, columns_of

MAX_CLASSES = 40
MAX_SHADE = 0.6  # opacity of a cell; on a darker one its number could not be read


def confusion_chart(predictions: ShownTable, classes: list[str]) -> figure | None:
    """Return the confusion matrix: true classes down, predicted classes across, shaded by the share of the row.

    Args:
        predictions: Table with the columns ``label`` and ``prediction``.
        classes: Names of the classes in their order; empty: those of the table, sorted.

    Returns:
        The chart; None for an empty table, fewer than 2 or more than 40 classes, or labels that are no class.
    """
    columns = columns_of(predictions, "label", "prediction")
    if columns is None or not predictions.rows:
        return None
    classes = classes or sorted({*columns[0], *columns[1]})
    if not 2 <= len(classes) <= MAX_CLASSES or not {*columns[0], *columns[1]} <= set(classes):
        return None
    counts = Counter(zip(*columns, strict=True))
    totals = Counter(columns[0])
    cells = [(true, predicted, counts[true, predicted]) for true in classes for predicted in classes]
    shares = [count / totals[true] if totals[true] else 0.0 for true, _, count in cells]
    names = {name: charting.escape_tex(name) for name in classes}
    source = ColumnDataSource({
        "true": [names[true] for true, _, _ in cells],
        "predicted": [names[predicted] for _, predicted, _ in cells],
        "count": [count for _, _, count in cells],
        "text": [f"{count}" if count else "" for _, _, count in cells],
        "share": [f"{share:.1%}" for share in shares],
        "shade": [MAX_SHADE * share for share in shares],
        "colour": [charting.BLUE if true == predicted else charting.RED for true, predicted, _ in cells],
    })  # fmt: skip
    axis_names = list(names.values())
    plot = charting.chart(
        height=min(720, 130 + max(34, 110 - 12 * len(axis_names)) * len(axis_names)),
        x_range=axis_names, y_range=list(reversed(axis_names)), x_axis_label="predicted", y_axis_label="true",
        tools="", toolbar_location=None,
    )  # fmt: skip
    cell = plot.rect(
        "predicted", "true", width=0.97, height=0.97, source=source,
        fill_color="colour", fill_alpha="shade", line_color=charting.NEUTRAL, line_alpha=0.25,
    )  # fmt: skip
    if len(axis_names) <= 20:
        plot.text(
            "predicted", "true", text="text", source=source, text_align="center", text_baseline="middle",
            text_color=charting.NEUTRAL, text_font_size="14px" if len(axis_names) <= 6 else "11px", tags=["ink"],
        )  # fmt: skip
    charting.add_tooltips(
        plot, [("true", "@true"), ("predicted", "@predicted"), ("examples", "@count"), ("of the class", "@share")],
        renderers=[cell],
    )  # fmt: skip
    plot.ygrid.grid_line_color = None
    if len(axis_names) > 4:
        plot.xaxis.major_label_orientation = math.pi / 3
    return plot
