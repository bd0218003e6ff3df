"""A Lightning logger that writes every scalar of a run to ``metrics.csv``, whatever trackers are used."""

import os
import threading
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only
from typing_extensions import override

from convscope.runs.files import write_atomically
from convscope.runs.metrics_csv import csv_bytes, drop_torn_line, read_rows
from convscope.runs.position import StageOffset
from convscope.tracking.tracker import Tracker

FLUSH_SECONDS = 3.0
EVALUATION_PREFIXES = ("validation/", "test/")

_Row = tuple[float | None, int | None, dict[str, float]]  # epoch, step, scalars


class MetricsCSVLogger(Logger):
    """Appends scalars to a CSV file with the columns ``epoch`` (of the run, from 1), ``step``, and one per scalar.

    A cell is empty if its scalar was not logged at that step. Rows are gathered in memory and written to the disk
    after ``flush_seconds`` at the latest; those of a validation or a test at once. A new scalar adds a column to the
    file, in one atomic step. An existing file is continued, never overwritten.

    If the disk is full, the logger warns once, keeps the rows, and writes them when there is room.

    As the first logger of a trainer, it makes ``<run folder>/checkpoints`` Lightning's default checkpoint folder.

    Args:
        path: The CSV file.
        flush_seconds: Longest time that a row stays in memory.
        position: Steps and epochs of earlier stages; None for a run of one stage.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        flush_seconds: float = FLUSH_SECONDS,
        position: StageOffset | None = None,
    ) -> None:
        super().__init__()
        self.position = position or StageOffset()
        self.path = Path(path).absolute()
        self._flush_seconds = flush_seconds
        self._pending: list[_Row] = []
        self._scalars: list[str] | None = None  # scalar columns of the file; None: the file was not read yet
        self._rows = 0  # number of rows in the file
        self._warned = False
        self._timer: threading.Timer | None = None
        self._lock = threading.RLock()

    @property
    def name(self) -> str:
        """Empty, so that Lightning adds no subfolder to the run's folder."""
        return ""

    @property
    def version(self) -> str:
        """Empty, so that Lightning adds no subfolder to the run's folder."""
        return ""

    @property
    def save_dir(self) -> str:
        """The run's folder."""
        return str(self.path.parent)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Add a row, without values that are no numbers, such as texts and images."""
        metrics, step = self.position.metrics(metrics), self.position.step(step)
        try:
            values = {name: float(value) for name, value in metrics.items()}
        except (TypeError, ValueError, RuntimeError):
            values = dict(_numbers(metrics))
        epoch = values.pop("epoch", None)
        evaluated = any(name.startswith(EVALUATION_PREFIXES) for name in values)
        with self._lock:
            self._pending.append((epoch, step, values))
            if self._timer is None and not evaluated:
                # A timer thread, at most one every few seconds, so that the last row is also written before a long
                # validation or a hang.
                self._timer = threading.Timer(self._flush_seconds, self.flush)
                self._timer.daemon = True
                self._timer.start()
        if evaluated:
            self.flush()

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the configuration has a file of its own."""

    @rank_zero_only
    @override
    def save(self) -> None:
        self.flush()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the pending rows; more may be logged afterwards."""
        self.flush()

    def flush(self) -> None:
        """Write the pending rows. If that fails, warn once and keep them."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if not self._pending:
                return
            try:
                self._append(self._pending)
            except OSError as error:
                if not self._warned:
                    self._warned = True
                    warnings.warn(f"{self.path} cannot be written ({error}); trying again.", stacklevel=2)
                return
            self._pending.clear()

    def mark(self) -> int:
        """Force all rows to the disk, and return their number, which a checkpoint keeps for `continue_from`."""
        with self._lock:
            self.flush()
            self._read_header()
            if self.path.exists():
                with self.path.open("rb") as file:
                    os.fsync(file.fileno())
            return self._rows + len(self._pending)

    def continue_from(self, mark: int) -> None:
        """Keep the first ``mark`` rows and their non-empty columns; the resumed run logs the other rows again.

        Args:
            mark: The number that :meth:`mark` returned when the checkpoint was written.
        """
        with self._lock:
            self.flush()
            self._scalars = None
            if not self.path.exists():
                return
            drop_torn_line(self.path)
            header, *body = read_rows(self.path) or [[]]
            kept = [row + [""] * (len(header) - len(row)) for row in body[:mark]]
            filled = [column for column in range(len(header)) if column < 2 or any(row[column] for row in kept)]
            if not kept:
                self.path.unlink(missing_ok=True)
            else:
                table = [[row[column] for column in filled] for row in [header, *kept]]
                write_atomically(self.path, csv_bytes(table), to_disk=True)

    def _read_header(self) -> None:
        """Read the columns and the number of rows of the file, once."""
        if self._scalars is None:
            drop_torn_line(self.path)
            header, *body = read_rows(self.path) or [["epoch", "step"]]
            self._scalars, self._rows = header[2:], len(body)

    def _append(self, rows: list[_Row]) -> None:
        self._read_header()
        assert self._scalars is not None
        known = set(self._scalars)
        new = list(dict.fromkeys(name for _, _, values in rows for name in values if name not in known))
        scalars = self._scalars + new
        header = ["epoch", "step", *scalars]
        if new and self.path.exists():
            body = [row + [""] * (len(header) - len(row)) for row in read_rows(self.path)[1:]]
            write_atomically(self.path, csv_bytes([header, *body]))
        self._scalars = scalars
        lines = [
            ["" if epoch is None else f"{epoch:g}", "" if step is None else str(step)]
            + [repr(values[name]) if name in values else "" for name in scalars]
            for epoch, step, values in rows
        ]
        with self.path.open("ab", buffering=0) as file:
            end = file.tell()
            content = memoryview(csv_bytes(lines if end else [header, *lines]))
            try:
                while content:
                    content = content[file.write(content) :]
            except OSError:
                os.truncate(self.path, end)  # remove a row that was written in part
                raise
        self._rows += len(rows)

    def __getstate__(self) -> dict[str, Any]:
        self.flush()
        return self.__dict__ | {"_lock": None, "_timer": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()


def build() -> Tracker:
    """Return no tracker beside ``metrics.csv``, which every run has."""
    return Tracker(None)


def _numbers(metrics: Mapping[str, Any]) -> Iterable[tuple[str, float]]:
    for name, value in metrics.items():
        try:
            yield name, float(value)
        except (TypeError, ValueError, RuntimeError):
            continue
