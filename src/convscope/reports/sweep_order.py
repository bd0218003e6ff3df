"""Which run of a sweep is the best: chosen by the validation, so that its test result stays one that nothing chose."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convscope.reports.formats import as_dict, metric
from convscope.runs.run_folder import RunFolder

METRIC = "validation/accuracy"  # by which runs are ordered, unless another is asked for


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
        """A metric of ``summary.json``; None where it is not there, or not finite."""
        value = as_dict(as_dict(self.summary.get("metrics")).get(split)).get(name)
        return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None

    def value(self, by: str) -> float | None:
        """A metric with its split, as in ``test/accuracy``; None where it is not there."""
        split, _, name = by.partition("/")
        return self.score(split, name)

    @property
    def kept_epoch(self) -> int | None:
        """The epoch, from 1, whose weights it kept and tested."""
        epoch = self.summary.get("best_epoch")
        return epoch if isinstance(epoch, int) else None


@dataclass(frozen=True)
class Order:
    """The runs of a sweep, best first.

    Attributes:
        runs: Those without the metric last; in the order of their names where equal.
        by: The metric.
        best: The first of them, where it was chosen by a metric that it has; None where nothing chooses.
        notes: What a reader must know of the choice.
    """

    runs: Sequence[SweptRun]
    by: str
    best: SweptRun | None
    notes: Sequence[str]

    @property
    def headline(self) -> str:
        """What the best run reached; of one that the validation chose, on the test, too."""
        count = f"{len(self.runs)} run{'s' * (len(self.runs) != 1)}"
        if self.best is None:
            return count
        split, _, name = self.by.partition("/")
        said = f"{metric(name, self.best.value(self.by))} {split} {name.replace('_', ' ')}, the best of {count}"
        tested = self.best.score("test", name)
        return said if split == "test" or tested is None else f"{said}; {metric(name, tested)} on the test"


def lower_is_better(by: str) -> bool:
    """Whether a low value of a metric is the better one, as of a loss."""
    return by.endswith("loss")


def ordered(runs: Sequence[SweptRun], by: str = METRIC, *, lowest: bool | None = None) -> Order:
    """The runs, best first.

    Args:
        runs: In any order.
        by: ``validation/NAME``, or ``test/NAME``, which is noted: what the test set chooses looks better than it is.
        lowest: Whether a low value is the better one; None: as the metric's name tells.
    """
    low = lower_is_better(by) if lowest is None else lowest
    split, _, name = by.partition("/")
    having = [run for run in runs if run.value(by) is not None]
    if not having and split == "validation" and any(run.score("test", name) is not None for run in runs):
        instead = f"test/{name}"
        note = f"no run has {by}: they are ordered by {instead}, and none is called the best"
        return Order(_sorted(runs, instead, low), instead, None, [note])
    notes = [f"{run.folder.path.name} has no {by}" for run in runs if having and run.complete and run not in having]
    if split == "test" and having:
        notes.insert(0, f"ordered by {by}: the result of a run that the test set has chosen looks better than it is")
    ranked = _sorted(runs, by, low)
    return Order(ranked, by, ranked[0] if having else None, notes)


def _sorted(runs: Sequence[SweptRun], by: str, low: bool) -> list[SweptRun]:
    def place(run: SweptRun) -> tuple[bool, float, tuple[int, str]]:
        value = run.value(by)
        return value is None, 0.0 if value is None else value if low else -value, natural(run.folder.path.name)

    return sorted(runs, key=place)


def natural(name: str) -> tuple[int, str]:
    """A key by which jobs are in the order of their numbers."""
    number, _, rest = name.partition("_")
    return (int(number), rest) if number.isdigit() else (10**9, name)
