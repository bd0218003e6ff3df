"""What a tracker is to the rest: a started logger of Lightning's, and what takes figures and tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from convscope.runs.run_folder import RunFolder
from convscope.tracking.adapter import Adapter
from convscope.tracking.replay import Row


@dataclass(frozen=True)
class Tracker:
    """A tracker that was started for a run, or that is off.

    Attributes:
        logger: Takes the scalars and the configuration; None if the tracker is off. If it has a method ``mark``, this
            forces to the disk what was logged, and returns how much that is, as plain values for a checkpoint.
        adapter: Takes figures, tables and the rest; None if the tracker has only scalars.
        notices: Printed when the training begins: where to find the run.
        finish: Called once, after the last ``finalize`` of the logger, with the status: "success", "failed" or
            "interrupted".
    """

    logger: Logger | None
    adapter: Adapter | None = None
    notices: Sequence[str] = ()
    finish: Callable[[str], None] | None = None


class ScalarLogger(Logger):
    """A logger for a tracker that Lightning has none for: it gives the scalars to a function.

    Args:
        name: Name of the tracker.
        version: Identifier of the run in the tracker.
        log: Called with scalars by their names, and their step.
    """

    def __init__(self, name: str, version: str, log: Callable[[Mapping[str, Any], int], None]) -> None:
        super().__init__()
        self._name, self._version, self._log = name, version, log

    @property
    def name(self) -> str:
        """Name of the tracker."""
        return self._name

    @property
    def version(self) -> str:
        """Identifier of the run in the tracker."""
        return self._version

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log scalars."""
        self._log(metrics, step or 0)

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: what builds the tracker gets the configuration."""


def missed_notice(label: str, missed: Sequence[Row], folder: RunFolder) -> list[str]:
    """Return the notice that a tracker lacked the rows ``missed`` and has them now; none if there are no such rows."""
    if not missed:
        return []
    return [
        f"{label} was off for part of this run. Its scalars were added; the figures and tables of that part are only "
        f"in {folder.path}"
    ]
