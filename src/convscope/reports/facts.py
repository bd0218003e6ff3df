"""The texts of a report that come from the summary of a run: title, headline, command, facts, metrics."""

import shlex
from typing import Any

from convscope.reports.formats import as_dict, as_list, duration, metric, number, times

MAX_NAMED_CLASSES = 12


def title(summary: dict[str, Any], default: str) -> str:
    """Return a title such as ``resnet on hotdog``; ``default`` if model or data have no name."""
    model, data = as_dict(summary.get("model")).get("name"), as_dict(summary.get("data")).get("name")
    return f"{model} on {data}" if model and data else default


def headline(summary: dict[str, Any]) -> str:
    """Return the result in one line: the accuracy, else the first metric, of the test, else of the validation."""
    metrics = as_dict(summary.get("metrics"))
    for split in ("test", "validation"):
        values = as_dict(metrics.get(split))
        name = "accuracy" if values.get("accuracy") is not None else next(iter(values), None)
        if name is not None and values[name] is not None:
            size = as_dict(as_dict(summary.get("data")).get("sizes")).get(split)
            of = f" ({number(size)} examples)" if size else ""
            return f"{metric(name, values[name])} {split} {name.replace('_', ' ')}{of}"
    return "No result"


def command(summary: dict[str, Any]) -> str:
    """Return the command line that the run was started with."""
    overrides = [str(override) for override in as_list(summary.get("overrides"))]
    return str(summary.get("command") or shlex.join(["convscope", "train", *overrides]))


def facts(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Return labels and values of what was run; unknown values are left out."""
    model, data = as_dict(summary.get("model")), as_dict(summary.get("data"))
    weights, fields = as_dict(model.get("weights")), as_dict(summary.get("receptive_field"))
    sizes = ", ".join(f"{split} {number(size)}" for split, size in as_dict(data.get("sizes")).items())
    classes = data.get("classes")
    values = {
        "task": summary.get("task"),
        "model": model.get("name"),
        "weights": " · ".join(str(part) for part in (weights.get("source"), weights.get("name")) if part),
        "parameters": number(model.get("parameters")),
        "multiply-adds": number(model.get("multiply_adds")),
        "receptive field": ", ".join(
            f"{kind} {number(fields[kind])} {fields.get('unit', 'px')}"
            for kind in ("theoretical", "effective")
            if fields.get(kind) is not None
        ),
        "data": " · ".join(str(part) for part in (data.get("name"), data.get("source")) if part),
        "examples": sizes,
        "classes": _classes(classes) if isinstance(classes, list) else number(classes),
        "transfer": as_dict(summary.get("transfer")).get("name"),
        "kept epoch": _kept(summary),
        "time": duration(as_dict(summary.get("seconds")).get("total")) if summary.get("seconds") else None,
        "seed": summary.get("seed"),
    }
    return [(label, str(value)) for label, value in values.items() if value not in (None, "")]


def metrics(summary: dict[str, Any]) -> dict[str, Any]:
    """Return the table of metrics: names of the splits, and for each metric its name and its value in each split.

    Splits of the summary without a dict of values are left out.
    """
    splits = {split: values for split, values in as_dict(summary.get("metrics")).items() if isinstance(values, dict)}
    names = dict.fromkeys(name for values in splits.values() for name in values)
    rows = [(name, [metric(name, values.get(name)) for values in splits.values()]) for name in names]
    return {"splits": list(splits), "rows": rows}


def stages(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the stages of the training; none if the summary has none."""
    listed = as_list(as_dict(summary.get("transfer")).get("stages"))
    return [stage for stage in listed if isinstance(stage, dict)]


def kept_epoch(summary: dict[str, Any]) -> int | None:
    """Return the epoch, from 1, whose weights were kept and tested; None if unknown."""
    epoch = summary.get("best_epoch")
    return epoch if isinstance(epoch, int) and not isinstance(epoch, bool) else None


def times_shown(summary: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return name, time and share of each part of the run, the whole run last."""
    parts = times(summary, stages(summary))
    total = sum(parts.values())
    rows = [*parts.items(), ("the run", total)] if parts else []
    return [(name, duration(seconds), f"{seconds / (total or 1.0):.1%}") for name, seconds in rows]


def _kept(summary: dict[str, Any]) -> str | None:
    """Return the kept epoch and what chose it, such as ``7 of 12, by validation/accuracy``; None if unknown."""
    epoch = kept_epoch(summary)
    if epoch is None:
        return None
    epochs = [stage.get("epochs") for stage in stages(summary)]
    known = [count for count in epochs if isinstance(count, int)]
    of = f" of {sum(known)}" if known and len(known) == len(epochs) else ""
    return f"{epoch}{of}" + (f", by {summary['best_by']}" if summary.get("best_by") else "")


def _classes(classes: list[Any]) -> str:
    """Return number and names of the classes; no more than 12 names."""
    named = ", ".join(map(str, classes[:MAX_NAMED_CLASSES])) + (" …" if len(classes) > MAX_NAMED_CLASSES else "")
    return f"{len(classes)}: {named}"
