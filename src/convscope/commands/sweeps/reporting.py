"""The trial that this process is running, for the training deep below it to report to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import Trial
    from pytorch_lightning.callbacks import Callback

    from convscope.tracking.position import Position

_reports: ContextVar[tuple[str, Callable[[int, float], bool]] | None] = ContextVar("reports", default=None)


@contextmanager
def reporting_to(trial: "Trial", metric: str) -> Iterator[None]:
    """Within, a training reports ``metric`` to ``trial``."""
    token = _reports.set((metric, lambda epochs, value: _hopeless(trial, epochs, value)))
    try:
        yield
    finally:
        _reports.reset(token)


def pruning(position: "Position") -> "list[Callback]":
    """What reports to the running trial; nothing outside a search."""
    told = _reports.get()
    if told is None:
        return []
    from convscope.callbacks.pruning import Pruning

    return [Pruning(told[0], position, told[1])]


def _hopeless(trial: "Trial", epochs: int, value: float) -> bool:
    if epochs not in trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values:
        trial.report(value, epochs)  # the epoch of a trial that is resumed may have been reported before
    return trial.should_prune()
