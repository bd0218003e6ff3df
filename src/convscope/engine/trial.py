"""The current trial of a hyperparameter search, to which the training in this process reports its metric."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class TrialReporter(NamedTuple):
    """A trial of a hyperparameter search.

    Attributes:
        metric: Name of the metric that the search optimises, such as ``validation/accuracy``.
        should_prune: Takes the number of epochs so far and the value of the metric; returns whether to stop the trial.
    """

    metric: str
    should_prune: Callable[[int, float], bool]


_running: ContextVar[TrialReporter | None] = ContextVar("trial", default=None)


@contextmanager
def reporting_to(trial: TrialReporter) -> Iterator[None]:
    """Within this context, a training reports to ``trial``."""
    token = _running.set(trial)
    try:
        yield
    finally:
        _running.reset(token)


def current_reporter() -> TrialReporter | None:
    """Return the trial that this process is running; None outside a search."""
    return _running.get()
