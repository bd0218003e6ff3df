"""Prints the results of a training at its end: stages, metrics, time, and the paths of its files."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from convscope.console import echo_always, get_console, is_quiet
from convscope.reports.formats import as_dict, duration, kept_epochs, metric, number, times
from convscope.runs.run_folder import RunFolder


def print_summary(summary: Mapping[str, Any], folder: RunFolder) -> None:
    """Print the stages, the metrics of each split, the time, and the paths; in quiet mode only the paths."""
    if not is_quiet():
        stages = as_dict(summary.get("transfer")).get("stages") or []
        if len(stages) > 1:
            get_console().print()
            get_console().print(_stages(stages))
        get_console().print()
        get_console().print(_metrics(as_dict(summary.get("metrics"))))
        get_console().print()
        if summary.get("best_epoch") is not None:
            trained = sum(stage.get("epochs", 0) for stage in stages)
            kept = f"epoch {summary['best_epoch']} of {trained}, by {summary.get('best_by')}"
            get_console().print(Text(f"kept     {kept}"))
        spent = ", ".join(f"{name} {duration(seconds)}" for name, seconds in times(summary, stages).items())
        total = duration(as_dict(summary.get("seconds")).get("total"))
        get_console().print(Text(f"time     {total}" + (f" ({spent})" if spent else "")))
    echo_always(f"report   {folder.report_file}\nsummary  {folder.summary_file}")


def _stages(stages: list[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("stage")
    for heading in ("epochs", "trainable", "rate", "kept epoch", "cached", "time"):
        table.add_column(heading, justify="right")
    for stage, kept in zip(stages, kept_epochs(stages), strict=True):
        table.add_row(
            Text(str(stage.get("name"))),
            number(stage.get("epochs")),
            number(stage.get("trainable_parameters")),
            number(stage.get("learning_rate")),
            Text(kept),
            "yes" if stage.get("cached") else "no",
            duration(stage.get("seconds")),
        )
    return table


def _metrics(splits: Mapping[str, Any]) -> Table:
    known = {split: values for split, values in splits.items() if isinstance(values, dict) and values}
    names = dict.fromkeys(name for values in known.values() for name in values)
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for split, values in known.items():
        table.add_row(Text(split), *(metric("", values.get(name)) for name in names))
    return table
