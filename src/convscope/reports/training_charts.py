"""How the training went: curves with their stages, and where the time went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bokeh.models import BoxAnnotation, ColumnDataSource, Label
from bokeh.plotting import figure

from convscope.figures import curves
from convscope.reports import charting
from convscope.reports.formats import duration, times

COLOURS = {"train": charting.BLUE, "validation": charting.ORANGE}
MOST_POINTS = 1500  # a curve; a screen has no more
RATE = "learning_rate"
NAMES = {"auroc": "AUROC"}  # that are no words


@dataclass(frozen=True)
class KeptEpochs:
    """The epochs, from 1, whose weights were kept: ``final`` of the run, ``before`` it at the ends of stages."""

    final: int | None = None
    before: Sequence[int] = ()


NOTHING_KEPT = KeptEpochs()


def curve_charts(
    rows: Sequence[curves.Row], stages: Sequence[Mapping[str, Any]], kept: KeptEpochs = NOTHING_KEPT
) -> list[tuple[str, figure]]:
    """One chart a metric (title, chart): training and validation, the kept epoch ringed, the stages shaded.

    The ring stands at the same epoch in all of them, whatever metric chose it; what was kept at the end of an
    earlier stage has a thin grey one.
    """
    metrics = curves.panels(rows)
    by_epoch = curves.counted_in_epochs(rows, metrics)
    spans = curves.stage_spans(rows, stages, by_epoch=by_epoch)
    charts = [(_titled(rows, metric, kept), _curve_chart(rows, metric, by_epoch, spans, kept)) for metric in metrics]
    rate = curves.points(rows, RATE, by_epoch=False)
    if len(rate) > 1:
        steps = curves.stage_spans(rows, stages, by_epoch=False)
        charts.append(("learning rate", _rate_chart(rate, steps)))
    return charts


def _titled(rows: Sequence[curves.Row], metric: str, kept: KeptEpochs) -> str:
    """With the value of the kept epoch; where none is known, as of a run that is not complete, with the best so far."""
    values = [y for _, y in curves.points(rows, f"validation/{metric}", by_epoch=False)]
    ring = curves.of_epoch(rows, f"validation/{metric}", kept.final, by_epoch=False)
    said = ""
    if ring is not None:
        said = f": {ring[1]:.4g} at epoch {kept.final} (kept)"
    elif values and kept.final is None:
        said = f": best {values[curves.best(metric, values)]:.4g}"
    return f"{NAMES.get(metric, metric.replace('_', ' '))}{said}"


def _curve_chart(
    rows: Sequence[curves.Row], metric: str, by_epoch: bool, spans: Sequence[curves.Span], kept: KeptEpochs
) -> figure:
    made = charting.chart(x_axis_label="epoch" if by_epoch else "step")
    _shade(made, spans)
    for split, colour in COLOURS.items():
        points = _thinned(curves.points(rows, f"{split}/{metric}", by_epoch=by_epoch))
        if not points:
            continue
        x, y = zip(*points, strict=True)
        source = ColumnDataSource({"x": x, "y": y, "split": [split] * len(x)})
        line = made.line("x", "y", source=source, color=colour, line_width=2, legend_label=split)
        shown = [line]
        if len(points) <= 60:
            shown.append(made.scatter("x", "y", source=source, color=colour, size=5, legend_label=split))
        charting.add_tooltips(
            made,
            [("", "@split"), ("epoch" if by_epoch else "step", "@x{0}"), (metric, "@y{0.0000}")],
            renderers=[shown[-1]],
            mode="vline" if split == "validation" else "mouse",
        )
        if split == "validation":
            for epoch, colour, width in [
                *((epoch, charting.GREY, 1) for epoch in kept.before),
                (kept.final, charting.RED, 2),
            ]:
                ring = curves.of_epoch(rows, f"{split}/{metric}", epoch, by_epoch=by_epoch)
                if ring is not None:
                    _ring(made, ring, epoch, colour, width)
    if by_epoch:
        made.xaxis.ticker.desired_num_ticks = 8
        made.xaxis.ticker.mantissas = [1, 2, 5]
        made.xaxis.ticker.min_interval = 1
    _tidy_legend(made)
    return made


def _ring(made: figure, at: tuple[float, float], epoch: int | None, colour: str, width: int) -> None:
    source = ColumnDataSource({"x": [at[0]], "y": [at[1]], "kept": [epoch]})
    made.scatter("x", "y", source=source, size=13, line_color=colour, fill_color=None, line_width=width)


def _rate_chart(rate: list[tuple[float, float]], spans: Sequence[curves.Span]) -> figure:
    x, y = zip(*_thinned(rate), strict=True)
    made = charting.chart(x_axis_label="step")
    made.yaxis.formatter.use_scientific = False
    _shade(made, spans)
    line = made.line(x, y, color=charting.GREEN, line_width=2)
    charting.add_tooltips(made, [("step", "@x{0}"), ("rate", "@y{0.00e+0}")], renderers=[line], mode="vline")
    return made


def _shade(made: figure, spans: Sequence[curves.Span]) -> None:
    for number, span in enumerate(spans):
        colour = charting.SERIES[(number + 2) % len(charting.SERIES)]
        made.add_layout(
            BoxAnnotation(left=span.start, right=span.end, fill_color=colour, fill_alpha=0.13, line_color=None)
        )
        made.add_layout(
            Label(
                x=span.start,
                y=0,
                y_units="screen",
                text=charting.plain(span.name),
                x_offset=4,
                y_offset=4,
                text_color=charting.NEUTRAL,
                text_font_size="11px",
            )
        )


def time_chart(summary: Mapping[str, Any], stages: Sequence[Mapping[str, Any]]) -> figure | None:
    """A bar for each part of the run's seconds, that of the training cut into its stages; they add up to the run."""
    parts = times(summary, stages)
    if not parts:
        return None
    names = [charting.plain(name) for name in parts]
    seconds = list(parts.values())
    total = sum(seconds) or 1.0
    made = charting.chart(
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
    bars = made.hbar(y="name", right="seconds", height=0.7, source=source, color=charting.BLUE)
    charting.add_tooltips(made, [("", "@name"), ("time", "@took (@share)")], renderers=[bars])
    made.x_range.start = 0
    made.ygrid.grid_line_color = None
    return made


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    every = -(-len(points) // MOST_POINTS) if points else 1
    return points[::every] if every == 1 or points[-1:] == points[::every][-1:] else [*points[::every], points[-1]]


def _tidy_legend(made: figure) -> None:
    for legend in made.legend:
        legend.click_policy = "hide"
        legend.location = "top_right"
        legend.orientation = "horizontal"
        legend.background_fill_alpha = 0.0
        legend.border_line_color = None
        legend.label_text_color = charting.NEUTRAL
        legend.padding = 0
        legend.margin = 0
        made.add_layout(legend, "above")
