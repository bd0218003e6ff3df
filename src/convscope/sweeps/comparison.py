"""Compares the runs of a sweep: a table on the console, ``comparison.csv``, and the report."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from convscope.console import echo, echo_always, print_table, warn
from convscope.reports.formats import as_dict, duration, metric, number
from convscope.reports.sweep import swept_runs, varied_keys, write_sweep_report
from convscope.reports.sweep_order import METRIC, SweptRun, rank_runs
from convscope.runs.files import write_atomically

CSV_FILE = "comparison.csv"


def compare(folder: Path, by: str = METRIC, *, lowest: bool | None = None) -> bool:
    """Print the runs of ``folder``, best first, and write them to ``comparison.csv`` and ``report.html`` in it.

    Args:
        folder: Folder of the sweep.
        by: ``validation/NAME``, or ``test/NAME``, which prints a warning: a result chosen by the test set is biased.
        lowest: Whether low values are better; None: decided by the name of the metric.

    Returns:
        Whether at least one run has the metric.
    """
    runs = swept_runs(folder)
    order, varied = rank_runs(runs, by, lowest=lowest), varied_keys(runs)
    file = folder / CSV_FILE
    write_atomically(file, _csv(order.runs, varied).encode())
    report = write_sweep_report(folder, by, lowest=lowest)
    echo("")
    print_table(_table(order.runs, varied, order.by))
    echo(f"\n{'best first' if order.best else 'ordered'}, by {order.by}")
    for note in order.notes:
        warn(note)
    echo_always(f"table    {file}\nreport   {report}")
    return any(run.value(by) is not None for run in runs)


def run_status(run: SweptRun) -> str:
    """Return how a run ended, such as ``completed``, ``interrupted`` or ``failed``, or else ``not complete``."""
    if run.complete:
        return str(run.summary.get("status", "completed"))
    return str((run.folder.read_status() or {}).get("status", "not complete"))


def _table(runs: Sequence[SweptRun], varied: Sequence[str], by: str) -> Table:
    """Return the table of the console."""
    table = Table(box=None, pad_edge=False, header_style="cyan")
    for key in varied:
        table.add_column(key)
    metrics = list(dict.fromkeys([by, "validation/accuracy", "test/accuracy", "test/loss"]))
    headings = {name: name.replace("/", "\n") + (" ↓" if name == by else "") for name in metrics}
    for heading in (*headings.values(), "parameters", "time"):
        table.add_column(heading, justify="right")
    table.add_column("status")
    for run in runs:
        model, seconds = as_dict(run.summary.get("model")), as_dict(run.summary.get("seconds"))
        table.add_row(
            *(Text(run.overrides.get(key, "")) for key in varied),
            *(metric(name.partition("/")[2], run.value(name)) for name in metrics),
            number(model.get("parameters")),
            duration(seconds.get("total")),
            Text(run_status(run)),
        )
    return table


def _csv(runs: Sequence[SweptRun], varied: Sequence[str]) -> str:
    """Return the text of ``comparison.csv``: all metrics and costs in the summaries, with all their digits."""
    metrics = list(
        dict.fromkeys(
            f"{split}/{name}"
            for run in runs
            for split in ("test", "validation")
            for name in as_dict(as_dict(run.summary.get("metrics")).get(split))
        )
    )
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", *varied, "status", *metrics, "parameters", "multiply_adds", "receptive_field", "seconds"])
    for run in runs:
        model, field = as_dict(run.summary.get("model")), as_dict(run.summary.get("receptive_field"))
        row: list[Any] = [run.folder.path.name, *(run.overrides.get(key, "") for key in varied), run_status(run)]
        row += [run.value(name) for name in metrics]
        row += [model.get("parameters"), model.get("multiply_adds"), field.get("theoretical")]
        writer.writerow([*row, as_dict(run.summary.get("seconds")).get("total")])
    return text.getvalue()
