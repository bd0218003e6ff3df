"""The trial of a search that this process is running, for the training deep below it to report to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class Trial(NamedTuple):
    """A trial of a search.

    Attributes:
        metric: What it is judged by, as ``validation/accuracy``.
        hopeless: Takes the number of epochs and the metric; returns whether the trial may end here.
    """

    metric: str
    should_prune: Callable[[int, float], bool]


_running: ContextVar[Trial | None] = ContextVar("trial", default=None)


@contextmanager
def reporting_to(trial: Trial) -> Iterator[None]:
    """Within, a training reports to ``trial``."""
    token = _running.set(trial)
    try:
        yield
    finally:
        _running.reset(token)


def running_trial() -> Trial | None:
    """The trial that this process is running; None outside a search."""
    return _running.get()
