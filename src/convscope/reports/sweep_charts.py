"""Charts that compare the runs of a sweep."""

from collections.abc import Sequence

from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

from convscope.reports import charting


def comparison_chart(scored: Sequence[tuple[str, float, int | None]]) -> figure:
    """Return a chart with a dot for each run, the best on top.

    The axis covers only the range of the accuracies: differences between the runs matter here, not shares of 1.

    Args:
        scored: Label, test accuracy and number of parameters of each run, best first.
    """
    labels = _distinct([charting.escape_tex(label) for label, _, _ in scored])
    source = ColumnDataSource({
        "run": labels,
        "accuracy": [accuracy for _, accuracy, _ in scored],
        "parameters": [parameters or 0 for _, _, parameters in scored],
    })  # fmt: skip
    plot = charting.chart(
        height=80 + 26 * len(scored), y_range=list(reversed(labels)), x_axis_label="test accuracy", tools="",
        toolbar_location=None,
    )  # fmt: skip
    dots = plot.scatter("accuracy", "run", source=source, size=11, color=charting.BLUE)
    charting.add_tooltips(
        plot,
        [("", "@run"), ("test accuracy", "@accuracy{0.0 %}"), ("parameters", "@parameters{0,0}")],
        renderers=[dots],
    )
    return plot


def relation_chart(points: Sequence[tuple[int, str, float, float]], unit: str, *, logarithmic: bool) -> figure:
    """Return a chart with a dot for each run: test accuracy over cost or over receptive field.

    Args:
        points: For each run its rank, which gives its colour, its label, x and test accuracy.
        unit: Label of the x-axis.
        logarithmic: Whether the x-axis is logarithmic.
    """
    plot = charting.chart(
        height=320, x_axis_label=unit, y_axis_label="test accuracy", x_axis_type="log" if logarithmic else "linear",
        tools="box_zoom,reset",
    )  # fmt: skip
    source = ColumnDataSource({
        "x": [x for _, _, x, _ in points],
        "y": [accuracy for *_, accuracy in points],
        "run": [charting.escape_tex(label) for _, label, _, _ in points],
        "colour": [charting.SERIES[rank % len(charting.SERIES)] for rank, *_ in points],
    })  # fmt: skip
    dots = plot.scatter("x", "y", source=source, size=10, color="colour")
    charting.add_tooltips(plot, [("", "@run"), ("test accuracy", "@y{0.0 %}"), (unit, "@x{0,0.[0]}")], renderers=[dots])
    return plot


def overlay_chart(
    curves: Sequence[tuple[str, list[tuple[float, float]]]], unit: str, kept: Sequence[tuple[float, float] | None] = ()
) -> figure:
    """Return a chart with the curves of all runs, labelled by tooltips, with a ring at the epoch that each run kept.

    Args:
        curves: Label and points of each run; runs without points are left out. The position of a run in the sequence
            gives its colour, which is the same in all charts.
        unit: Unit of the x-axis: epoch or step.
        kept: For each run the point of the epoch whose weights it kept; None if unknown.
    """
    plot = charting.chart(height=320, x_axis_label=unit)
    if unit == "epoch":
        plot.xaxis.ticker.mantissas = [1, 2, 5]
        plot.xaxis.ticker.min_interval = 1
    for rank, (label, points) in enumerate(curves):
        if not points:
            continue
        x, y = zip(*points, strict=True)
        source = ColumnDataSource({"x": x, "y": y, "run": [charting.escape_tex(label)] * len(x)})
        colour = charting.SERIES[rank % len(charting.SERIES)]
        plot.line("x", "y", source=source, color=colour, line_width=2, alpha=0.85)
        dots = plot.scatter("x", "y", source=source, color=colour, size=5)
        ring = kept[rank] if rank < len(kept) else None
        if ring is not None:
            plot.scatter([ring[0]], [ring[1]], size=13, line_color=colour, fill_color=None, line_width=2)
        charting.add_tooltips(plot, [("", "@run"), (unit, "@x{0}"), ("", "@y{0.0000}")], renderers=[dots])
    return plot


def _distinct(labels: list[str]) -> list[str]:
    """Number labels that occur several times, in place, and return them."""
    counts: dict[str, int] = {}
    for rank, label in enumerate(labels):
        counts[label] = counts.get(label, 0) + 1
        if counts[label] > 1:
            labels[rank] = f"{label} ({counts[label]})"
    return labels
