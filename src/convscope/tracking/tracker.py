"""What a tracker is to the rest: a started logger of Lightning's, and what takes figures and tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytorch_lightning.loggers import Logger

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


def missed_notice(label: str, missed: Sequence[Row], folder: RunFolder) -> list[str]:
    """Return the notice that a tracker lacked the rows ``missed`` and has them now; none if there are no such rows."""
    if not missed:
        return []
    return [
        f"{label} was off for part of this run. Its scalars were added; the figures and tables of that part are only "
        f"in {folder.path}"
    ]
