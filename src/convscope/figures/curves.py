"""The curves of a run: which scalars lead, at which x they stand, and which stage was on."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

SPLITS = ("train", "validation")
LEADING = ("loss", "accuracy", "f1", "auroc")  # the first of these that a run has logged lead
MOST_PANELS = 4

Row = Mapping[str, float]
"""A row of ``metrics.csv``, as :func:`convscope.runs.metrics_csv.read_metrics` gives it."""


class Span(NamedTuple):
    """A stage of a training on the x-axis."""

    name: str
    start: float
    end: float


def panels(rows: Sequence[Row]) -> list[str]:
    """Metrics (without their split) that have a training or validation curve, the leading ones first."""
    logged: dict[str, None] = {}
    for row in rows:
        for name, value in row.items():
            split, _, metric = name.partition("/")
            if split in SPLITS and math.isfinite(value):
                logged[metric] = None
    lead = [metric for metric in LEADING if metric in logged]
    return (lead + [metric for metric in logged if metric not in lead])[:MOST_PANELS]


def counted_in_epochs(rows: Sequence[Row], metrics: Sequence[str]) -> bool:
    """Whether each curve of ``metrics`` has at most one value an epoch; else its x-axis counts steps."""
    return all(_once_an_epoch(rows, f"{split}/{metric}") for metric in metrics for split in SPLITS)


def points(rows: Sequence[Row], name: str, *, by_epoch: bool) -> list[tuple[float, float]]:
    """x and y of a curve, without what is not finite; epochs count from 1."""
    before = _before_first(rows)
    return [
        (_x(row, index, by_epoch, before), row[name])
        for index, row in enumerate(rows)
        if name in row and math.isfinite(row[name])
    ]


def of_epoch(rows: Sequence[Row], name: str, epoch: int | None, *, by_epoch: bool) -> tuple[float, float] | None:
    """x and y of a curve at the end of the run's ``epoch``, counted from 1; None where it has no finite value there."""
    if epoch is None:
        return None
    own = epoch - _before_first(rows)
    there = [row if row.get("epoch") == own else {} for row in rows]  # in their places, which may be the x
    found = points(there, name, by_epoch=False)
    if not found:
        return None
    step, value = found[-1]
    return (float(epoch) if by_epoch else step), value


def kept_at_ends(stages: Sequence[Mapping[str, Any]], kept: int | None) -> list[int]:
    """The epochs whose weights were kept when a stage ended, without ``kept``, that of the whole run."""
    known = [stage.get("best_epoch") for stage in stages]
    return sorted({epoch for epoch in known if isinstance(epoch, int)} - {kept})


def best(metric: str, values: Sequence[float]) -> int:
    """Where the best value stands: the least of a loss, the greatest of anything else."""
    return (min if "loss" in metric else max)(range(len(values)), key=lambda place: values[place])


def stage_spans(rows: Sequence[Row], stages: Sequence[Mapping[str, Any]], *, by_epoch: bool) -> list[Span]:
    """Where on the x-axis each stage lies; none where there is but one.

    Args:
        rows: Of ``metrics.csv``; its column ``stage``, the number of the stage from 0, tells. Without it the
            epochs of ``stages`` do.
        stages: ``transfer.stages`` of ``summary.json``, for the names.
        by_epoch: Whether x counts epochs.
    """
    where: dict[int, list[float]] = {}
    before = _before_first(rows)
    current: int | None = None
    for index, row in enumerate(rows):
        if math.isfinite(row.get("stage", math.nan)):
            current = int(row["stage"])
        if current is not None and (not by_epoch or "epoch" in row):
            where.setdefault(current, []).append(_x(row, index, by_epoch, before))
    if not where and by_epoch:
        end = 0
        for number, stage in enumerate(stages):
            epochs = stage.get("epochs")
            if isinstance(epochs, int) and epochs > 0:
                where[number] = [float(end + 1), float(end + epochs)]
                end += epochs
    if len(where) < 2:
        return []
    ordered = sorted(where.items(), key=lambda item: min(item[1]))
    starts = [min(xs) for _, xs in ordered]
    ends = [max(xs) for _, xs in ordered]
    cuts = [(left + right) / 2 for left, right in zip(ends, starts[1:], strict=False)]
    return [
        Span(_stage_name(number, stages), start, end)
        for (number, _), start, end in zip(ordered, [starts[0], *cuts], [*cuts, ends[-1]], strict=True)
    ]


def _x(row: Row, index: int, by_epoch: bool, before: int) -> float:
    return row["epoch"] + before if by_epoch else row.get("step", float(index))


def _before_first(rows: Sequence[Row]) -> int:
    """What is missing until epochs count from 1: runs of the first version counted theirs from 0."""
    return int(any(row.get("epoch") == 0 for row in rows))


def _once_an_epoch(rows: Sequence[Row], name: str) -> bool:
    epochs = [row.get("epoch") for row in rows if name in row]
    return None not in epochs and len(set(epochs)) == len(epochs)


def _stage_name(number: int, stages: Sequence[Mapping[str, Any]]) -> str:
    name = stages[number].get("name") if 0 <= number < len(stages) else None
    return str(name) if name else f"stage {number + 1}"
