"""Charts of the training: metrics with the stages, the learning rate, and the time of each part of the run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bokeh.models import BoxAnnotation, ColumnDataSource, Label
from bokeh.plotting import figure

from convscope.figures import curves
from convscope.reports import charting
from convscope.reports.formats import duration, times

COLOURS = {"train": charting.BLUE, "validation": charting.ORANGE}
MAX_POINTS = 1500  # points of a curve; a screen shows no more
RATE = "learning_rate"
METRIC_NAMES = {"auroc": "AUROC"}  # abbreviations


@dataclass(frozen=True)
class KeptEpochs:
    """The epochs, from 1, whose weights were kept.

    Attributes:
        final: Epoch of the run's weights; None if unknown.
        before: Epochs that were kept at the ends of earlier stages.
    """

    final: int | None = None
    before: Sequence[int] = ()


NOTHING_KEPT = KeptEpochs()


def curve_charts(
    rows: Sequence[curves.Row], stages: Sequence[Mapping[str, Any]], kept: KeptEpochs = NOTHING_KEPT
) -> list[tuple[str, figure]]:
    """Return a chart for each metric (title, chart): training and validation, the kept epoch ringed, the stages shaded.

    The ring is at the same epoch in all charts, whichever metric chose it; epochs that were kept at the end of an
    earlier stage have a thin grey ring. The learning rate has a chart of its own.
    """
    metrics = curves.panels(rows)
    by_epoch = curves.counted_in_epochs(rows, metrics)
    spans = curves.stage_spans(rows, stages, by_epoch=by_epoch)
    charts = [(_title(rows, metric, kept), _curve_chart(rows, metric, by_epoch, spans, kept)) for metric in metrics]
    rate = curves.points(rows, RATE, by_epoch=False)
    if len(rate) > 1:
        steps = curves.stage_spans(rows, stages, by_epoch=False)
        charts.append(("learning rate", _rate_chart(rate, steps)))
    return charts


def _title(rows: Sequence[curves.Row], metric: str, kept: KeptEpochs) -> str:
    """Return the title with the metric's value at the kept epoch; if the run is not complete, with its best value."""
    values = [y for _, y in curves.points(rows, f"validation/{metric}", by_epoch=False)]
    ring = curves.point_of_epoch(rows, f"validation/{metric}", kept.final, by_epoch=False)
    suffix = ""
    if ring is not None:
        suffix = f": {ring[1]:.4g} at epoch {kept.final} (kept)"
    elif values and kept.final is None:
        suffix = f": best {values[curves.index_of_best(metric, values)]:.4g}"
    return f"{METRIC_NAMES.get(metric, metric.replace('_', ' '))}{suffix}"


def _curve_chart(
    rows: Sequence[curves.Row], metric: str, by_epoch: bool, spans: Sequence[curves.Span], kept: KeptEpochs
) -> figure:
    """Return the chart of one metric."""
    plot = charting.chart(x_axis_label="epoch" if by_epoch else "step")
    _shade(plot, spans)
    for split, colour in COLOURS.items():
        points = _thinned(curves.points(rows, f"{split}/{metric}", by_epoch=by_epoch))
        if not points:
            continue
        x, y = zip(*points, strict=True)
        source = ColumnDataSource({"x": x, "y": y, "split": [split] * len(x)})
        line = plot.line("x", "y", source=source, color=colour, line_width=2, legend_label=split)
        shown = [line]
        if len(points) <= 60:
            shown.append(plot.scatter("x", "y", source=source, color=colour, size=5, legend_label=split))
        charting.add_tooltips(
            plot,
            [("", "@split"), ("epoch" if by_epoch else "step", "@x{0}"), (metric, "@y{0.0000}")],
            renderers=[shown[-1]],
            mode="vline" if split == "validation" else "mouse",
        )
        if split == "validation":
            for epoch, colour, width in [
                *((epoch, charting.GREY, 1) for epoch in kept.before),
                (kept.final, charting.RED, 2),
            ]:
                ring = curves.point_of_epoch(rows, f"{split}/{metric}", epoch, by_epoch=by_epoch)
                if ring is not None:
                    _ring(plot, ring, epoch, colour, width)
    if by_epoch:
        plot.xaxis.ticker.desired_num_ticks = 8
        plot.xaxis.ticker.mantissas = [1, 2, 5]
        plot.xaxis.ticker.min_interval = 1
    _tidy_legend(plot)
    return plot


def _ring(plot: figure, at: tuple[float, float], epoch: int | None, colour: str, width: int) -> None:
    """Mark a point as a kept epoch."""
    source = ColumnDataSource({"x": [at[0]], "y": [at[1]], "kept": [epoch]})
    plot.scatter("x", "y", source=source, size=13, line_color=colour, fill_color=None, line_width=width)


def _rate_chart(rate: list[tuple[float, float]], spans: Sequence[curves.Span]) -> figure:
    """Return the chart of the learning rate over the steps."""
    x, y = zip(*_thinned(rate), strict=True)
    plot = charting.chart(x_axis_label="step")
    plot.yaxis.formatter.use_scientific = False
    _shade(plot, spans)
    line = plot.line(x, y, color=charting.GREEN, line_width=2)
    charting.add_tooltips(plot, [("step", "@x{0}"), ("rate", "@y{0.00e+0}")], renderers=[line], mode="vline")
    return plot


def _shade(plot: figure, spans: Sequence[curves.Span]) -> None:
    """Shade the stages and write their names into them."""
    for number, span in enumerate(spans):
        colour = charting.SERIES[(number + 2) % len(charting.SERIES)]
        plot.add_layout(
            BoxAnnotation(left=span.start, right=span.end, fill_color=colour, fill_alpha=0.13, line_color=None)
        )
        plot.add_layout(
            Label(
                x=span.start,
                y=0,
                y_units="screen",
                text=charting.escape_tex(span.name),
                x_offset=4,
                y_offset=4,
                text_color=charting.NEUTRAL,
                text_font_size="11px",
            )
        )


def time_chart(summary: Mapping[str, Any], stages: Sequence[Mapping[str, Any]]) -> figure | None:
    """Return a bar for each part of the run's seconds, the training split into its stages; they add up to the run."""
    parts = times(summary, stages)
    if not parts:
        return None
    names = [charting.escape_tex(name) for name in parts]
    seconds = list(parts.values())
    total = sum(seconds) or 1.0
    plot = charting.chart(
        height=60 + 34 * len(names),
        y_range=list(reversed(names)),
        x_axis_label="seconds",
        tools="",
        toolbar_location=None,
    )
    source = ColumnDataSource(
        {
            "name": names,
            "seconds": seconds,
            "took": [duration(s) for s in seconds],
            "share": [f"{s / total:.0%}" for s in seconds],
        }
    )
    bars = plot.hbar(y="name", right="seconds", height=0.7, source=source, color=charting.BLUE)
    charting.add_tooltips(plot, [("", "@name"), ("time", "@took (@share)")], renderers=[bars])
    plot.x_range.start = 0
    plot.ygrid.grid_line_color = None
    return plot


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return every n-th point, so that about ``MAX_POINTS`` are left, and always the last one."""
    stride = -(-len(points) // MAX_POINTS) if points else 1
    return points[::stride] if stride == 1 or points[-1:] == points[::stride][-1:] else [*points[::stride], points[-1]]


def _tidy_legend(plot: figure) -> None:
    """Put the legend above the chart; a click on an entry hides its curve."""
    for legend in plot.legend:
        legend.click_policy = "hide"
        legend.location = "top_right"
        legend.orientation = "horizontal"
        legend.background_fill_alpha = 0.0
        legend.border_line_color = None
        legend.label_text_color = charting.NEUTRAL
        legend.padding = 0
        legend.margin = 0
        plot.add_layout(legend, "above")
