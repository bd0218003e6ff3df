"""Data of the learning curves of a run: which metrics are shown, their x and y values, and the spans of the stages."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

SPLITS = ("train", "validation")
LEADING_METRICS = ("loss", "accuracy", "f1", "auroc")  # shown before other metrics
MAX_PANELS = 4

Row = Mapping[str, float]
"""A row of ``metrics.csv``, as :func:`convscope.runs.metrics_csv.read_metrics` gives it."""


class Span(NamedTuple):
    """The part of the x-axis that belongs to one stage of a training."""

    name: str
    start: float
    end: float


def panels(rows: Sequence[Row]) -> list[str]:
    """Return the metrics (without their split) that have a training or validation curve, at most ``MAX_PANELS``.

    Those of ``LEADING_METRICS`` come first.
    """
    logged: dict[str, None] = {}
    for row in rows:
        for name, value in row.items():
            split, _, metric = name.partition("/")
            if split in SPLITS and math.isfinite(value):
                logged[metric] = None
    lead = [metric for metric in LEADING_METRICS if metric in logged]
    return (lead + [metric for metric in logged if metric not in lead])[:MAX_PANELS]


def counted_in_epochs(rows: Sequence[Row], metrics: Sequence[str]) -> bool:
    """Return whether each curve of ``metrics`` has at most one value per epoch; otherwise the x-axis counts steps."""
    return all(_once_an_epoch(rows, f"{split}/{metric}") for metric in metrics for split in SPLITS)


def points(rows: Sequence[Row], name: str, *, by_epoch: bool) -> list[tuple[float, float]]:
    """Return the (x, y) pairs of a curve, without values that are not finite; epochs are counted from 1."""
    epoch_offset = _epoch_offset(rows)
    return [
        (_x(row, index, by_epoch, epoch_offset), row[name])
        for index, row in enumerate(rows)
        if name in row and math.isfinite(row[name])
    ]


def point_of_epoch(rows: Sequence[Row], name: str, epoch: int | None, *, by_epoch: bool) -> tuple[float, float] | None:
    """Return (x, y) of a curve at the end of ``epoch``, counted from 1; None if it has no finite value there."""
    if epoch is None:
        return None
    logged_epoch = epoch - _epoch_offset(rows)
    # Other rows are emptied and not removed, since the index of a row may be its x.
    rows_of_epoch = [row if row.get("epoch") == logged_epoch else {} for row in rows]
    curve = points(rows_of_epoch, name, by_epoch=False)
    if not curve:
        return None
    step, value = curve[-1]
    return (float(epoch) if by_epoch else step), value


def best_epochs_of_stages(stages: Sequence[Mapping[str, Any]], best_epoch: int | None) -> list[int]:
    """Return the best epoch so far at the end of each stage, except ``best_epoch``, that of the whole run."""
    known = [stage.get("best_epoch") for stage in stages]
    return sorted({epoch for epoch in known if isinstance(epoch, int)} - {best_epoch})


def index_of_best(metric: str, values: Sequence[float]) -> int:
    """Return the index of the best value: the lowest of a loss, the highest of any other metric."""
    return (min if "loss" in metric else max)(range(len(values)), key=lambda index: values[index])


def stage_spans(rows: Sequence[Row], stages: Sequence[Mapping[str, Any]], *, by_epoch: bool) -> list[Span]:
    """Return the span of each stage on the x-axis; empty if there is only one stage.

    Args:
        rows: Rows of ``metrics.csv``, whose column ``stage`` is the number of the stage from 0. Without that column,
            the epochs of ``stages`` are used.
        stages: ``transfer.stages`` of ``summary.json``, for the names.
        by_epoch: Whether x counts epochs rather than steps.
    """
    positions: dict[int, list[float]] = {}
    epoch_offset = _epoch_offset(rows)
    current: int | None = None
    for index, row in enumerate(rows):
        if math.isfinite(row.get("stage", math.nan)):
            current = int(row["stage"])
        if current is not None and (not by_epoch or "epoch" in row):
            positions.setdefault(current, []).append(_x(row, index, by_epoch, epoch_offset))
    if not positions and by_epoch:
        end = 0
        for number, stage in enumerate(stages):
            epochs = stage.get("epochs")
            if isinstance(epochs, int) and epochs > 0:
                positions[number] = [float(end + 1), float(end + epochs)]
                end += epochs
    if len(positions) < 2:
        return []
    ordered = sorted(positions.items(), key=lambda item: min(item[1]))
    starts = [min(xs) for _, xs in ordered]
    ends = [max(xs) for _, xs in ordered]
    cuts = [(left + right) / 2 for left, right in zip(ends, starts[1:], strict=False)]
    return [
        Span(_stage_name(number, stages), start, end)
        for (number, _), start, end in zip(ordered, [starts[0], *cuts], [*cuts, ends[-1]], strict=True)
    ]


def _x(row: Row, index: int, by_epoch: bool, epoch_offset: int) -> float:
    return row["epoch"] + epoch_offset if by_epoch else row.get("step", float(index))


def _epoch_offset(rows: Sequence[Row]) -> int:
    """Return what to add to the logged epochs so that they count from 1; runs of the first version counted from 0."""
    return int(any(row.get("epoch") == 0 for row in rows))


def _once_an_epoch(rows: Sequence[Row], name: str) -> bool:
    epochs = [row.get("epoch") for row in rows if name in row]
    return None not in epochs and len(set(epochs)) == len(epochs)


def _stage_name(number: int, stages: Sequence[Mapping[str, Any]]) -> str:
    name = stages[number].get("name") if 0 <= number < len(stages) else None
    return str(name) if name else f"stage {number + 1}"
