"""``report.html`` of a sweep: its runs side by side, made from their folders alone."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from convscope.tracking import curves
from convscope.tracking.metrics_file import read_metrics
from convscope.tracking.report import facts
from convscope.tracking.report.formats import as_dict, as_list, duration, metric, number
from convscope.tracking.report.template import render
from convscope.tracking.run_folder import STATUS_FILE, RunFolder

MOST_CURVES = 40
COMPARED = ("accuracy", "loss")  # validation curves, laid over each other


@dataclass(frozen=True)
class SweptRun:
    """One run of a sweep, as far as its folder tells."""

    folder: RunFolder
    summary: dict[str, Any]
    overrides: Mapping[str, str]

    @property
    def complete(self) -> bool:
        """Whether it has written its summary."""
        return bool(self.summary)

    def score(self, split: str, name: str) -> float | None:
        """A metric of ``summary.json``; None where it is not there."""
        value = as_dict(as_dict(self.summary.get("metrics")).get(split)).get(name)
        return float(value) if isinstance(value, (int, float)) else None


def write_sweep_report(folder: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` into the folder of a sweep, about the runs below it; return its path.

    Runs that are not complete are listed as such. To be called again when another run has ended.
    """
    page = RunFolder(folder)
    page.write_report(render("sweep.html.jinja", _content(page.path, swept_runs(page.path))))
    return page.report_file


def swept_runs(folder: Path) -> list[SweptRun]:
    """The runs below ``folder``, complete or not, in the order of their names; those too that failed at once."""
    found = []
    told = {file.parent for name in ("config.yaml", STATUS_FILE) for file in folder.glob(f"*/{name}")}
    for path in sorted(told, key=lambda path: _natural(path.name)):
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


def _content(folder: Path, runs: Sequence[SweptRun]) -> dict[str, Any]:
    varied = varied_keys(runs)
    ranked = sorted(runs, key=lambda run: (-(run.score("test", "accuracy") or -1.0), run.folder.path.name))
    best = ranked[0] if ranked and ranked[0].score("test", "accuracy") is not None else None
    return {
        "title": folder.name,
        "headline": f"{metric('accuracy', best.score('test', 'accuracy'))} test accuracy, the best of {len(runs)} runs"
        if best
        else f"{len(runs)} runs",
        "best": _label(best, varied) if best else None,
        "varied": varied,
        "rows": [_row(run, varied) for run in ranked],
        "charts": _charts(ranked, varied),
        "warnings": [f"{run.folder.path.name} is not complete" for run in runs if not run.complete],
    }


def varied_keys(runs: Sequence[SweptRun]) -> list[str]:
    """The keys whose values differ between runs, in the order in which they were typed."""
    keys = dict.fromkeys(key for run in runs for key in run.overrides)
    return [key for key in keys if len({run.overrides.get(key) for run in runs}) > 1]


def _label(run: SweptRun, varied: Sequence[str]) -> str:
    told = " ".join(f"{key}={run.overrides[key]}" for key in varied if key in run.overrides)
    return told or run.folder.path.name


def _row(run: SweptRun, varied: Sequence[str]) -> dict[str, Any]:
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
        "parameters": number(model.get("parameters")),
        "time": duration(as_dict(run.summary.get("seconds")).get("total")),
    }


def _charts(runs: Sequence[SweptRun], varied: Sequence[str]) -> list[tuple[str, Any]]:
    from convscope.tracking.report.charting import as_item
    from convscope.tracking.report.sweep_charts import comparison_chart, overlay_chart

    labelled = [(_label(run, varied), run) for run in runs]
    scored = [
        (label, score, as_dict(run.summary.get("model")).get("parameters"))
        for label, run in labelled
        if (score := run.score("test", "accuracy")) is not None
    ]
    charts: list[tuple[str, Any]] = []
    if scored:
        charts.append(("Test accuracy", as_item(comparison_chart(scored))))
    rows = [(label, read_metrics(run.folder.metrics_file)) for label, run in labelled[:MOST_CURVES]]
    for name in COMPARED:
        by_epoch = all(curves.counted_in_epochs(logged, [name]) for _, logged in rows)
        drawn = [(label, curves.points(logged, f"validation/{name}", by_epoch=by_epoch)) for label, logged in rows]
        if any(points for _, points in drawn):
            charts.append((f"Validation {name}", as_item(overlay_chart(drawn, "epoch" if by_epoch else "step"))))
    return charts


def _natural(name: str) -> tuple[int, str]:
    number, _, rest = name.partition("_")
    return (int(number), rest) if number.isdigit() else (10**9, name)
