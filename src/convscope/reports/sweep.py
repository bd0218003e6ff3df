"""Writes ``report.html`` of a sweep: its runs side by side, from their folders alone."""

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from convscope.figures import curves
from convscope.reports import facts
from convscope.reports.charting import bokeh_item
from convscope.reports.formats import as_dict, as_list, duration, metric, number
from convscope.reports.inline_images import InlineImage, inline_images
from convscope.reports.side_by_side import MAPS, TileColumn, compared_images
from convscope.reports.sweep_charts import comparison_chart, overlay_chart, relation_chart
from convscope.reports.sweep_order import METRIC, RankedRuns, SweptRun, natural, rank_runs
from convscope.reports.template import render
from convscope.runs.metrics_csv import read_metrics
from convscope.runs.run_folder import STATUS_FILE, RunFolder

MAX_CURVES = 40
SHOWN = ("validation/accuracy", "test/accuracy", "test/loss")  # columns that the table always has
COMPARED = ("accuracy", "loss")  # validation curves of all runs in one chart

# Label of x, whether its axis is logarithmic, and how to read x from a summary.
RELATIONS: tuple[tuple[str, bool, Callable[[Mapping[str, Any]], Any]], ...] = (
    ("parameters", True, lambda summary: as_dict(summary.get("model")).get("parameters")),
    ("seconds", True, lambda summary: as_dict(summary.get("seconds")).get("total")),
    ("receptive field", False, lambda summary: as_dict(summary.get("receptive_field")).get("theoretical")),
)


def write_sweep_report(folder: str | os.PathLike[str], by: str = METRIC, *, lowest: bool | None = None) -> Path:
    """Write ``report.html`` into the folder of a sweep, about the runs in it; return its path.

    Runs that are not complete are listed as such; call this again after another run has ended.

    Args:
        folder: Folder of the sweep.
        by: Metric that orders the runs and chooses the best, such as ``validation/accuracy``.
        lowest: Whether low values are better; None: decided by the name of the metric.
    """
    page = RunFolder(folder)
    page.write_report(
        render("sweep.html.jinja", _content(page.path, rank_runs(swept_runs(page.path), by, lowest=lowest)))
    )
    return page.report_file


def swept_runs(folder: Path) -> list[SweptRun]:
    """Return the runs in ``folder`` by name, complete or not, and also those that failed before they began."""
    runs = []
    folders = {file.parent for name in ("config.yaml", STATUS_FILE) for file in folder.glob(f"*/{name}")}
    for path in sorted(folders, key=lambda path: natural(path.name)):
        run = RunFolder(path)
        summary = run.read_summary() or {}
        overrides = [str(override) for override in as_list(summary.get("overrides"))] or _typed_overrides(run)
        values = dict(override.lstrip("+").split("=", 1) for override in overrides if "=" in override)
        runs.append(SweptRun(run, summary, values))
    return runs


def _typed_overrides(run: RunFolder) -> list[str]:
    """Return the overrides of a run without a summary: from the top of its configuration, else from its status."""
    first, *_ = (run.read_config() or str((run.read_status() or {}).get("command", ""))).splitlines() or [""]
    if not first.startswith("# convscope train "):
        return []
    try:
        return shlex.split(first.removeprefix("# convscope train "))
    except ValueError:  # an unclosed quote: an earlier version did not quote the overrides
        return first.removeprefix("# convscope train ").split()


def _content(folder: Path, ranked: RankedRuns) -> dict[str, Any]:
    """Return the variables of the template."""
    in_names = sorted(ranked.runs, key=lambda run: natural(run.folder.path.name))
    varied = varied_keys(in_names)
    extra_metric = ranked.by if ranked.by not in SHOWN else None
    return {
        "title": folder.name,
        "headline": ranked.headline,
        "by": ranked.by,
        "extra_metric": extra_metric,
        "best": _label(ranked.best, varied) if ranked.best else None,
        "varied": varied,
        "rows": [_row(run, varied, extra_metric) for run in ranked.runs],
        "charts": _charts(ranked.runs, varied),
        "search": _search_figures(RunFolder(folder)),
        "compared_images": _compared_images(ranked.runs, varied),
        "warnings": [
            *ranked.notes, *(f"{run.folder.path.name} is not complete" for run in in_names if not run.complete)
        ],
    }  # fmt: skip


def varied_keys(runs: Sequence[SweptRun]) -> list[str]:
    """Return the keys whose values differ between runs, in the order of the command line."""
    keys = dict.fromkeys(key for run in runs for key in run.overrides)
    keys.pop("sweep.zip", None)  # which values go together tells the jobs apart by these values
    return [key for key in keys if len({run.overrides.get(key) for run in runs}) > 1]


def _label(run: SweptRun, varied: Sequence[str]) -> str:
    """Return the overrides that distinguish a run, else the name of its folder."""
    label = " ".join(f"{key}={run.overrides[key]}" for key in varied if key in run.overrides)
    return label or run.folder.path.name


def _row(run: SweptRun, varied: Sequence[str], extra_metric: str | None) -> dict[str, Any]:
    """Return a row of the table of runs."""
    model = as_dict(run.summary.get("model"))
    return {
        "name": run.folder.path.name,
        "address": quote(f"{run.folder.path.name}/report.html") if run.folder.report_file.is_file() else None,
        "title": facts.title(run.summary, run.folder.path.name),
        "values": [run.overrides.get(key, "") for key in varied],
        "status": run.summary.get("status", "not complete"),
        "test": metric("accuracy", run.score("test", "accuracy")),
        "validation": metric("accuracy", run.score("validation", "accuracy")),
        "loss": metric("loss", run.score("test", "loss")),
        "extra_metric": None
        if extra_metric is None
        else metric(extra_metric.partition("/")[2], run.value(extra_metric)),
        "kept_epoch": number(run.kept_epoch),
        "parameters": number(model.get("parameters")),
        "time": duration(as_dict(run.summary.get("seconds")).get("total")),
    }


def _charts(runs: Sequence[SweptRun], varied: Sequence[str]) -> list[tuple[str, Any]]:
    """Return the charts (title, Bokeh's item) for which the runs have the data."""
    labelled = [(_label(run, varied), run) for run in runs]
    scored = [
        (label, score, as_dict(run.summary.get("model")).get("parameters"))
        for label, run in labelled
        if (score := run.score("test", "accuracy")) is not None
    ]
    charts: list[tuple[str, Any]] = []
    if scored:
        charts.append(("Test accuracy", bokeh_item(comparison_chart(scored))))
    for unit, logarithmic, x_of in RELATIONS:
        points = [
            (place, label, x, score)
            for place, (label, run) in enumerate(labelled)
            if (score := run.score("test", "accuracy")) is not None and (x := _positive(x_of(run.summary))) is not None
        ]
        if len({x for _, _, x, _ in points}) > 1:
            title = f"Test accuracy against {unit}"
            charts.append((title, bokeh_item(relation_chart(points, unit, logarithmic=logarithmic))))
    rows = [(label, read_metrics(run.folder.metrics_file)) for label, run in labelled[:MAX_CURVES]]
    for name in COMPARED:
        by_epoch = all(curves.counted_in_epochs(logged, [name]) for _, logged in rows)
        drawn = [(label, curves.points(logged, f"validation/{name}", by_epoch=by_epoch)) for label, logged in rows]
        if any(points for _, points in drawn):
            kept = [
                curves.point_of_epoch(logged, f"validation/{name}", run.kept_epoch, by_epoch=by_epoch)
                for (_, run), (_, logged) in zip(labelled, rows, strict=False)
            ]
            charts.append(
                (f"Validation {name}", bokeh_item(overlay_chart(drawn, "epoch" if by_epoch else "step", kept)))
            )
    return charts


def _positive(value: Any) -> float | None:
    """Return a number above 0, which a logarithmic axis can show; of a height and a width, the larger; else None."""
    if isinstance(value, (list, tuple)):
        value = max(value, default=None)
    return float(value) if isinstance(value, (int, float)) and value > 0 else None


def _search_figures(page: RunFolder) -> list[InlineImage]:
    """Return the figures of a search; none for any other sweep."""
    files = {name: page.media / "search" / f"{name}.png" for name in ("history", "importance")}
    return inline_images({name: file for name, file in files.items() if file.is_file()})[0]


def _compared_images(runs: Sequence[SweptRun], varied: Sequence[str]) -> list[list[TileColumn]]:
    """Return the overlays of the complete runs side by side."""
    sheets = [
        (_label(run, varied), run.folder.media / MAPS, str(as_dict(run.summary.get("data")).get("name")))
        for run in runs
        if run.complete and (run.folder.media / MAPS).is_file()
    ]
    return compared_images(sheets)
