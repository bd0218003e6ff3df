"""The runs of a sweep side by side."""

from collections.abc import Sequence

from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

from convscope.reports import charting


def comparison_chart(scored: Sequence[tuple[str, float, int | None]]) -> figure:
    """A dot a run, best above. The axis is cut where the runs are: a share of 0 is of no interest here.

    Args:
        scored: Label, test accuracy and number of parameters of each run, best first.
    """
    labels = _distinct([charting.plain(label) for label, _, _ in scored])
    source = ColumnDataSource({
        "run": labels,
        "accuracy": [accuracy for _, accuracy, _ in scored],
        "parameters": [parameters or 0 for _, _, parameters in scored],
    })  # fmt: skip
    made = charting.chart(
        height=80 + 26 * len(scored), y_range=list(reversed(labels)), x_axis_label="test accuracy", tools="",
        toolbar_location=None,
    )  # fmt: skip
    dots = made.scatter("accuracy", "run", source=source, size=11, color=charting.BLUE)
    charting.add_tooltips(
        made,
        [("", "@run"), ("test accuracy", "@accuracy{0.0 %}"), ("parameters", "@parameters{0,0}")],
        renderers=[dots],
    )
    return made


def relation_chart(points: Sequence[tuple[int, str, float, float]], unit: str, *, by_factors: bool) -> figure:
    """A dot a run: its test accuracy over what it costs, or over how far it sees.

    Args:
        points: Place of the run, which gives its colour, label, x and test accuracy.
        unit: What x is.
        by_factors: Whether the x-axis is logarithmic.
    """
    made = charting.chart(
        height=320, x_axis_label=unit, y_axis_label="test accuracy", x_axis_type="log" if by_factors else "linear",
        tools="box_zoom,reset",
    )  # fmt: skip
    source = ColumnDataSource({
        "x": [x for _, _, x, _ in points],
        "y": [accuracy for *_, accuracy in points],
        "run": [charting.plain(label) for _, label, _, _ in points],
        "colour": [charting.SERIES[place % len(charting.SERIES)] for place, *_ in points],
    })  # fmt: skip
    dots = made.scatter("x", "y", source=source, size=10, color="colour")
    charting.add_tooltips(made, [("", "@run"), ("test accuracy", "@y{0.0 %}"), (unit, "@x{0,0.[0]}")], renderers=[dots])
    return made


def overlay_chart(
    drawn: Sequence[tuple[str, list[tuple[float, float]]]], unit: str, kept: Sequence[tuple[float, float] | None] = ()
) -> figure:
    """A curve a run, each with its label where the pointer stands, and a ring around the epoch that it kept.

    Args:
        drawn: Label and points of each run; those without points are left out. A place has the colour that it has in
            the other charts.
        unit: Of the x-axis: epoch or step.
        kept: For each run the point of the epoch whose weights it kept; None where that is not known.
    """
    made = charting.chart(height=320, x_axis_label=unit)
    if unit == "epoch":
        made.xaxis.ticker.mantissas = [1, 2, 5]
        made.xaxis.ticker.min_interval = 1
    for place, (label, points) in enumerate(drawn):
        if not points:
            continue
        x, y = zip(*points, strict=True)
        source = ColumnDataSource({"x": x, "y": y, "run": [charting.plain(label)] * len(x)})
        colour = charting.SERIES[place % len(charting.SERIES)]
        made.line("x", "y", source=source, color=colour, line_width=2, alpha=0.85)
        dots = made.scatter("x", "y", source=source, color=colour, size=5)
        ring = kept[place] if place < len(kept) else None
        if ring is not None:
            made.scatter([ring[0]], [ring[1]], size=13, line_color=colour, fill_color=None, line_width=2)
        charting.add_tooltips(made, [("", "@run"), (unit, "@x{0}"), ("", "@y{0.0000}")], renderers=[dots])
    return made


def _distinct(labels: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    for place, label in enumerate(labels):
        seen[label] = seen.get(label, 0) + 1
        if seen[label] > 1:
            labels[place] = f"{label} ({seen[label]})"
    return labels
