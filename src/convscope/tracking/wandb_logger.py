"""Lightning's wandb logger, for a run that may be killed and resumed."""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from convscope.tracking.replay import Replay, Row
from convscope.tracking.wandb_log import WandbLog

MARK_SECONDS = 5.0  # that a checkpoint waits for wandb's process at most
POLL_SECONDS = 0.02


class ResumableWandbLogger(WandbLogger):
    """Logs each event once, although a resumed run repeats those after its checkpoint.

    Args:
        run: wandb's run, started.
        project: The project of the run.
        folder: The run's folder.
        known: Name and step of each value that the run had before it was resumed.
    """

    def __init__(self, run: Any, project: str, folder: Path, known: Iterable[tuple[str, int]] = ()) -> None:
        super().__init__(experiment=run, project=project, save_dir=str(folder))
        self._replay = Replay(known)
        self._log = WandbLog(Path(run.dir).parent / f"run-{run.id}.wandb")
        self._sent = self._written = 0  # number of events of this process: given to wandb, and found on the disk

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log an event, without the values that the run had before it was resumed."""
        new = self._replay.new(metrics, step or 0)
        if new:
            self._sent += 1
            super().log_metrics(new, step)

    def send_missing(self, kept: Sequence[Row]) -> None:
        """Log those of the rows ``kept`` that the run lacks."""
        for step, values in self._replay.missing(kept):
            self._sent += 1
            super().log_metrics(values, step)

    def mark(self) -> None:
        """Wait until everything logged so far is on the disk, at most ``MARK_SECONDS``; a kill would lose the rest.

        Does nothing if wandb is not set to write its log at short intervals.
        """
        if not getattr(self.experiment.settings, "x_transaction_log_flush_interval", None):
            return
        deadline = time.monotonic() + MARK_SECONDS
        while self._written < self._sent and time.monotonic() < deadline:
            self._written += sum(1 for _ in self._log.events())
            if self._written < self._sent:
                time.sleep(POLL_SECONDS)
        self._written = self._sent  # events that are still missing are not waited for again
