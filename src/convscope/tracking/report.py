"""``report.html``: one page about a run, made from the run's folder alone."""

import csv
import itertools
import shlex
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from convscope.tracking import figures
from convscope.tracking.inline import Inlined, inline_pictures
from convscope.tracking.metrics_file import read_metrics
from convscope.tracking.run_folder import RunFolder, json_ready

CURVES = "learning_curves"
LEADING_FIGURES = (CURVES, "confusion_matrix")
SHOWN_TABLES, SHOWN_ROWS, SHOWN_CHARACTERS = 12, 20, 80
SHOWN_CONFIG = 100_000  # characters
FRACTIONS = ("accuracy",)  # shown in percent


def write_report(folder: RunFolder, summary: Mapping[str, Any] | None = None) -> Path:
    """Write ``report.html`` and return its path.

    The page needs no other file and no network. What the folder does not have is left out of it.

    Args:
        folder: The run's folder. Learning curves are drawn into it where they are older than ``metrics.csv``.
        summary: What is going to be ``summary.json``; None reads it, and a run without one is shown as not
            complete.
    """
    from jinja2 import Environment

    content = json_ready(summary) if summary is not None else folder.read_summary()
    source = resources.files("convscope.tracking").joinpath("report.html.jinja").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    folder.write_report(page.render(_content(folder, content or {}, complete=content is not None)))
    return folder.report_file


def _content(folder: RunFolder, summary: dict[str, Any], *, complete: bool) -> dict[str, Any]:
    pictures, left_out = _pictures(folder)
    return {
        "title": _title(summary, folder),
        "headline": _headline(summary),
        "status": summary.get("status", "unknown") if complete else "not complete",
        "command": _command(summary),
        "warnings": _list(summary.get("warnings")),
        "facts": _facts(summary),
        "stages": [stage for stage in _list(_dict(summary.get("transfer")).get("stages")) if isinstance(stage, dict)],
        "metrics": _metrics(summary),
        "pictures": pictures,
        "pictures_left_out": left_out,
        "tables": _tables(folder),
        "environment": {key: value for key, value in _dict(summary.get("environment")).items() if value is not None},
        "config": (folder.read_config() or "")[:SHOWN_CONFIG],
        "number": number,
        "duration": duration,
    }


def _title(summary: dict[str, Any], folder: RunFolder) -> str:
    model, data = _dict(summary.get("model")).get("name"), _dict(summary.get("data")).get("name")
    return f"{model} on {data}" if model and data else folder.path.name


def _headline(summary: dict[str, Any]) -> str:
    """The result in one line: the first metric of the test, else of the validation."""
    metrics = _dict(summary.get("metrics"))
    for split in ("test", "validation"):
        values = _dict(metrics.get(split))
        name = "accuracy" if values.get("accuracy") is not None else next(iter(values), None)
        if name is not None and values[name] is not None:
            size = _dict(_dict(summary.get("data")).get("sizes")).get(split)
            of = f" ({number(size)} examples)" if size else ""
            return f"{metric(name, values[name])} {split} {name.replace('_', ' ')}{of}"
    return "No result"


def _command(summary: dict[str, Any]) -> str:
    overrides = [str(override) for override in _list(summary.get("overrides"))]
    return str(summary.get("command") or shlex.join(["convscope", "train", *overrides]))


def _facts(summary: dict[str, Any]) -> list[tuple[str, str]]:
    model, data = _dict(summary.get("model")), _dict(summary.get("data"))
    weights, fields = _dict(model.get("weights")), _dict(summary.get("receptive_field"))
    sizes = ", ".join(f"{split} {number(size)}" for split, size in _dict(data.get("sizes")).items())
    classes = data.get("classes")
    named = ", ".join(map(str, classes[:12])) + (" …" if len(classes) > 12 else "") if isinstance(classes, list) else ""
    facts = {
        "task": summary.get("task"),
        "model": model.get("name"),
        "weights": " · ".join(str(part) for part in (weights.get("source"), weights.get("name")) if part),
        "parameters": number(model.get("parameters")),
        "multiply-adds": number(model.get("multiply_adds")),
        "receptive field": ", ".join(f"{kind} {number(size)}" for kind, size in fields.items() if size is not None),
        "data": " · ".join(str(part) for part in (data.get("name"), data.get("source")) if part),
        "examples": sizes,
        "classes": f"{len(classes)}: {named}" if isinstance(classes, list) else number(classes),
        "transfer": _dict(summary.get("transfer")).get("name"),
        "time": ", ".join(f"{part} {duration(took)}" for part, took in _dict(summary.get("seconds")).items()),
        "seed": summary.get("seed"),
    }
    return [(label, str(value)) for label, value in facts.items() if value not in (None, "")]


def _metrics(summary: dict[str, Any]) -> dict[str, Any]:
    """Splits across, metrics down; a split's values that are no numbers are left out."""
    splits = {split: values for split, values in _dict(summary.get("metrics")).items() if isinstance(values, dict)}
    names = dict.fromkeys(name for values in splits.values() for name in values)
    rows = [(name, [metric(name, values.get(name)) for values in splits.values()]) for name in names]
    return {"splits": list(splits), "rows": rows}


def _pictures(folder: RunFolder) -> tuple[list[Inlined], int]:
    rows = read_metrics(folder.metrics_file)
    curves = folder.media / f"{CURVES}.png"
    if rows and not (curves.exists() and curves.stat().st_mtime >= folder.metrics_file.stat().st_mtime):
        folder.write_figure(CURVES, figures.learning_curves(rows))
    names = {
        path.relative_to(folder.media).with_suffix("").as_posix(): path for path in folder.media.rglob("[!.]*.png")
    }
    ordered = [name for name in LEADING_FIGURES if name in names]
    ordered += sorted(name for name in names if name not in LEADING_FIGURES)
    return inline_pictures({name: names[name] for name in ordered})


def _tables(folder: RunFolder) -> list[dict[str, Any]]:
    tables = []
    for path in sorted(folder.tables.rglob("[!.]*.csv"))[:SHOWN_TABLES]:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            columns = next(reader, [])
            rows = [[cell[:SHOWN_CHARACTERS] for cell in row] for row in itertools.islice(reader, SHOWN_ROWS)]
            more = sum(1 for _ in reader)
        name = path.relative_to(folder.tables).with_suffix("").as_posix()
        tables.append({"name": name, "columns": columns, "rows": rows, "more": more})
    return tables


def metric(name: str, value: Any) -> str:
    """A metric as it is shown: accuracies in percent, others with four digits, a dash for none."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return "–" if value is None else str(value)
    return f"{value:.1%}" if name.endswith(FRACTIONS) else f"{value:.4g}"


def number(value: Any) -> str:
    """Whole numbers with separators, others with four digits, nothing for none."""
    if value is None:
        return ""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.4g}"
    return f"{int(value):,}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def duration(seconds: Any) -> str:
    """Seconds as ``0.4 s``, ``41 s``, ``3 min 12 s`` or ``2 h 5 min``."""
    if not isinstance(seconds, (int, float)):
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
