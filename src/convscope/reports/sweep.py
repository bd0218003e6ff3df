"""``report.html`` of a sweep: its runs side by side, made from their folders alone."""

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
from convscope.reports.sweep_order import METRIC, Order, SweptRun, natural, ordered
from convscope.reports.template import render
from convscope.runs.metrics_csv import read_metrics
from convscope.runs.run_folder import STATUS_FILE, RunFolder

MOST_CURVES = 40
SHOWN = ("validation/accuracy", "test/accuracy", "test/loss")  # columns of the table that are always there
COMPARED = ("accuracy", "loss")  # validation curves, laid over each other

RELATIONS: tuple[tuple[str, bool, Callable[[Mapping[str, Any]], Any]], ...] = (  # unit, by factors, where it stands
    ("parameters", True, lambda summary: as_dict(summary.get("model")).get("parameters")),
    ("seconds", True, lambda summary: as_dict(summary.get("seconds")).get("total")),
    ("receptive field in pixels", False, lambda summary: as_dict(summary.get("receptive_field")).get("theoretical")),
)


def write_sweep_report(folder: str | os.PathLike[str], by: str = METRIC, *, lowest: bool | None = None) -> Path:
    """Write ``report.html`` into the folder of a sweep, about the runs below it; return its path.

    Runs that are not complete are listed as such. To be called again when another run has ended.

    Args:
        folder: The sweep's.
        by: The metric that puts the runs in order and chooses the best, as in ``validation/accuracy``.
        lowest: Whether a low value is the better one; None: as the metric's name tells.
    """
    page = RunFolder(folder)
    page.write_report(
        render("sweep.html.jinja", _content(page.path, ordered(swept_runs(page.path), by, lowest=lowest)))
    )
    return page.report_file


def swept_runs(folder: Path) -> list[SweptRun]:
    """The runs below ``folder``, complete or not, in the order of their names; those too that failed at once."""
    found = []
    told = {file.parent for name in ("config.yaml", STATUS_FILE) for file in folder.glob(f"*/{name}")}
    for path in sorted(told, key=lambda path: natural(path.name)):
        run = RunFolder(path)
        summary = run.read_summary() or {}
        words = [str(word) for word in as_list(summary.get("overrides"))] or _typed(run)
        found.append(SweptRun(run, summary, dict(word.split("=", 1) for word in words if "=" in word)))
    return found


def _typed(run: RunFolder) -> list[str]:
    """The overrides of a run without a summary: its configuration opens with the command, or its status has it."""
    first, *_ = (run.read_config() or str((run.read_status() or {}).get("command", ""))).splitlines() or [""]
    if not first.startswith("# convscope train "):
        return []
    try:
        return shlex.split(first.removeprefix("# convscope train "))
    except ValueError:  # a quote that is not closed, where a version before wrote words as they are
        return first.removeprefix("# convscope train ").split()


def _content(folder: Path, order: Order) -> dict[str, Any]:
    in_names = sorted(order.runs, key=lambda run: natural(run.folder.path.name))
    varied = varied_keys(in_names)
    own = order.by if order.by not in SHOWN else None
    return {
        "title": folder.name,
        "headline": order.headline,
        "by": order.by,
        "own": own,
        "best": _label(order.best, varied) if order.best else None,
        "varied": varied,
        "rows": [_row(run, varied, own) for run in order.runs],
        "charts": _charts(order.runs, varied),
        "search": _search(RunFolder(folder)),
        "compared_images": _compared_images(order.runs, varied),
        "warnings": [
            *order.notes, *(f"{run.folder.path.name} is not complete" for run in in_names if not run.complete)
        ],
    }  # fmt: skip


def varied_keys(runs: Sequence[SweptRun]) -> list[str]:
    """The keys whose values differ between runs, in the order in which they were typed."""
    keys = dict.fromkeys(key for run in runs for key in run.overrides)
    return [key for key in keys if len({run.overrides.get(key) for run in runs}) > 1]


def _label(run: SweptRun, varied: Sequence[str]) -> str:
    told = " ".join(f"{key}={run.overrides[key]}" for key in varied if key in run.overrides)
    return told or run.folder.path.name


def _row(run: SweptRun, varied: Sequence[str], own: str | None) -> dict[str, Any]:
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
        "own": None if own is None else metric(own.partition("/")[2], run.value(own)),
        "kept_epoch": number(run.kept_epoch),
        "parameters": number(model.get("parameters")),
        "time": duration(as_dict(run.summary.get("seconds")).get("total")),
    }


def _charts(runs: Sequence[SweptRun], varied: Sequence[str]) -> list[tuple[str, Any]]:
    labelled = [(_label(run, varied), run) for run in runs]
    scored = [
        (label, score, as_dict(run.summary.get("model")).get("parameters"))
        for label, run in labelled
        if (score := run.score("test", "accuracy")) is not None
    ]
    charts: list[tuple[str, Any]] = []
    if scored:
        charts.append(("Test accuracy", bokeh_item(comparison_chart(scored))))
    for unit, by_factors, x_of in RELATIONS:
        points = [
            (place, label, x, score)
            for place, (label, run) in enumerate(labelled)
            if (score := run.score("test", "accuracy")) is not None and (x := _positive(x_of(run.summary))) is not None
        ]
        if len({x for _, _, x, _ in points}) > 1:
            title = f"Test accuracy against {unit}"
            charts.append((title, bokeh_item(relation_chart(points, unit, by_factors=by_factors))))
    rows = [(label, read_metrics(run.folder.metrics_file)) for label, run in labelled[:MOST_CURVES]]
    for name in COMPARED:
        by_epoch = all(curves.counted_in_epochs(logged, [name]) for _, logged in rows)
        drawn = [(label, curves.points(logged, f"validation/{name}", by_epoch=by_epoch)) for label, logged in rows]
        if any(points for _, points in drawn):
            kept = [
                curves.of_epoch(logged, f"validation/{name}", run.kept_epoch, by_epoch=by_epoch)
                for (_, run), (_, logged) in zip(labelled, rows, strict=False)
            ]
            charts.append(
                (f"Validation {name}", bokeh_item(overlay_chart(drawn, "epoch" if by_epoch else "step", kept)))
            )
    return charts


def _positive(value: Any) -> float | None:
    """A number that stands on a logarithmic axis too; of a field's height and width, the larger one."""
    if isinstance(value, (list, tuple)):
        value = max(value, default=None)
    return float(value) if isinstance(value, (int, float)) and value > 0 else None


def _search(page: RunFolder) -> list[InlineImage]:
    """Figures of a search, where the sweep was one."""
    files = {name: page.media / "search" / f"{name}.png" for name in ("history", "importance")}
    return inline_images({name: file for name, file in files.items() if file.is_file()})[0]


def _compared_images(runs: Sequence[SweptRun], varied: Sequence[str]) -> list[list[TileColumn]]:
    sheets = [
        (_label(run, varied), run.folder.media / MAPS, str(as_dict(run.summary.get("data")).get("name")))
        for run in runs
        if run.complete and (run.folder.media / MAPS).is_file()
    ]
    return compared_images(sheets)
