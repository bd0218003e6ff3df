"""What the network answered, as a chart of the run's predictions."""

import math
from collections import Counter

from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

from convscope.reports import charting
from convscope.reports.tables import ShownTable, columns_of

MOST_CLASSES = 40
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
    charting.add_tooltips(
        made, [("true", "@true"), ("predicted", "@predicted"), ("images", "@count"), ("of the class", "@share")],
        renderers=[cell],
    )  # fmt: skip
    made.ygrid.grid_line_color = None
    if len(shown) > 4:
        made.xaxis.major_label_orientation = math.pi / 3
    return made
