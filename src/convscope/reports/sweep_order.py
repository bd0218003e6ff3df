"""Orders the runs of a sweep.

The best run is chosen by the validation by default, so that its test result is not biased by the choice.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convscope.reports.formats import as_dict, metric
from convscope.runs.run_folder import RunFolder

METRIC = "validation/accuracy"  # default metric that orders the runs


@dataclass(frozen=True)
class SweptRun:
    """One run of a sweep, as read from its folder.

    Attributes:
        folder: Folder of the run.
        summary: Content of ``summary.json``; empty if the run is not complete.
        overrides: Values of the command line by key.
    """

    folder: RunFolder
    summary: dict[str, Any]
    overrides: Mapping[str, str]

    @property
    def complete(self) -> bool:
        """Whether the run has written its summary."""
        return bool(self.summary)

    def score(self, split: str, name: str) -> float | None:
        """Return a metric of ``summary.json``; None if it is missing or not finite."""
        value = as_dict(as_dict(self.summary.get("metrics")).get(split)).get(name)
        return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None

    def value(self, by: str) -> float | None:
        """Return a metric named with its split, such as ``test/accuracy``; None if it is missing or not finite."""
        split, _, name = by.partition("/")
        return self.score(split, name)

    @property
    def kept_epoch(self) -> int | None:
        """The epoch, from 1, whose weights the run kept and tested; None if unknown."""
        epoch = self.summary.get("best_epoch")
        return epoch if isinstance(epoch, int) else None


@dataclass(frozen=True)
class RankedRuns:
    """The runs of a sweep, best first.

    Attributes:
        runs: The runs; those without the metric last, equal ones in the order of their names.
        by: Metric that orders them.
        best: The first run; None if no run has the metric, or the choice had to fall back to the test set.
        notes: Warnings about the order.
    """

    runs: Sequence[SweptRun]
    by: str
    best: SweptRun | None
    notes: Sequence[str]

    @property
    def headline(self) -> str:
        """Result of the best run; if the validation chose it, its test result as well."""
        count = f"{len(self.runs)} run{'s' * (len(self.runs) != 1)}"
        if self.best is None:
            return count
        split, _, name = self.by.partition("/")
        reached = f"{metric(name, self.best.value(self.by))} {split} {name.replace('_', ' ')}, the best of {count}"
        tested = self.best.score("test", name)
        return reached if split == "test" or tested is None else f"{reached}; {metric(name, tested)} on the test"


def lower_is_better(by: str) -> bool:
    """Return whether low values of a metric are better, as those of a loss are."""
    return by.endswith("loss")


def rank_runs(runs: Sequence[SweptRun], by: str = METRIC, *, lowest: bool | None = None) -> RankedRuns:
    """Return the runs, best first.

    Args:
        runs: Runs in any order.
        by: ``validation/NAME``, or ``test/NAME``, which adds a note: a result chosen by the test set is biased.
        lowest: Whether low values are better; None: decided by the name of the metric.
    """
    low = lower_is_better(by) if lowest is None else lowest
    split, _, name = by.partition("/")
    scored = [run for run in runs if run.value(by) is not None]
    if not scored and split == "validation" and any(run.score("test", name) is not None for run in runs):
        fallback = f"test/{name}"
        note = f"no run has {by}: they are ordered by {fallback}, and none is called the best"
        return RankedRuns(_sorted(runs, fallback, low), fallback, None, [note])
    notes = [f"{run.folder.path.name} has no {by}" for run in runs if scored and run.complete and run not in scored]
    if split == "test" and scored:
        notes.insert(0, f"ordered by {by}: the result of a run that the test set has chosen looks better than it is")
    ranked = _sorted(runs, by, low)
    return RankedRuns(ranked, by, ranked[0] if scored else None, notes)


def _sorted(runs: Sequence[SweptRun], by: str, low: bool) -> list[SweptRun]:
    def sort_key(run: SweptRun) -> tuple[bool, float, tuple[int, str]]:
        value = run.value(by)
        return value is None, 0.0 if value is None else value if low else -value, natural(run.folder.path.name)

    return sorted(runs, key=sort_key)


def natural(name: str) -> tuple[int, str]:
    """Return a sort key that orders the names of jobs by their numbers."""
    number, _, rest = name.partition("_")
    return (int(number), rest) if number.isdigit() else (10**9, name)
