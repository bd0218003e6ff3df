"""The trial of a search that this process is running, for the training deep below it to report to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pytorch_lightning.callbacks import Callback

from convscope.callbacks.pruning import Pruning
from convscope.runs.position import Position

_reports: ContextVar[tuple[str, Callable[[int, float], bool]] | None] = ContextVar("reports", default=None)


@contextmanager
def reporting_to(report: Callable[[int, float], bool], metric: str) -> Iterator[None]:
    """Within, a training reports ``metric``.

    Args:
        report: Takes the number of epochs and the metric; returns whether the trial has no hope left.
        metric: Its name, as ``validation/accuracy``.
    """
    token = _reports.set((metric, report))
    try:
        yield
    finally:
        _reports.reset(token)


def pruning(position: Position) -> list[Callback]:
    """What reports to the running trial; nothing outside a search."""
    told = _reports.get()
    if told is None:
        return []
    return [Pruning(told[0], position, told[1])]
