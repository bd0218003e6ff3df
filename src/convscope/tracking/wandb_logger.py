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


class RunLogger(WandbLogger):
    """Logs each event once, though a resumed run comes to some of them again.

    Args:
        run: wandb's run, started.
        project: Its project.
        folder: The run's folder.
        known: Name and step of what the run had before it was resumed.
    """

    def __init__(self, run: Any, project: str, folder: Path, known: Iterable[tuple[str, int]] = ()) -> None:
        super().__init__(experiment=run, project=project, save_dir=str(folder))
        self._replay = Replay(known)
        self._log = WandbLog(Path(run.dir).parent / f"run-{run.id}.wandb")
        self._sent = self._written = 0  # events of this process, given to wandb and on the disk

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log an event, without what the run had of it before it was resumed."""
        new = self._replay.new(metrics, step or 0)
        if new:
            self._sent += 1
            super().log_metrics(new, step)

    def send_missing(self, kept: Sequence[Row]) -> None:
        """Log what the run lacks of the rows that the resumed run keeps."""
        for step, values in self._replay.missing(kept):
            self._sent += 1
            super().log_metrics(values, step)

    def mark(self) -> None:
        """Wait until what was logged is on the disk, where wandb writes it at once: a killed process loses the rest."""
        if not getattr(self.experiment.settings, "x_transaction_log_flush_interval", None):
            return
        until = time.monotonic() + MARK_SECONDS
        while self._written < self._sent and time.monotonic() < until:
            self._written += sum(1 for _ in self._log.events())
            if self._written < self._sent:
                time.sleep(POLL_SECONDS)
        self._written = self._sent  # what has not come by now is not waited for again
