"""``metrics.csv``: every scalar of a run, whatever tracker is on, as a Lightning logger."""

import os
import threading
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from convscope.runs.files import write_atomically
from convscope.runs.metrics_csv import csv_bytes, drop_torn_line, read_rows
from convscope.runs.position import Position

FLUSH_SECONDS = 3.0
EVALUATION_PREFIXES = ("validation/", "test/")

_Row = tuple[float | None, int | None, dict[str, float]]  # epoch, step, scalars


class MetricsCSVLogger(Logger):
    """Appends scalars to a CSV file with the columns ``epoch`` (of the run, from 1), ``step``, then one a scalar.

    A cell is empty where that scalar was not logged at that moment. Rows are gathered in memory and are on
    disk ``flush_seconds`` later at the latest; those of a validation or a test at once. A scalar that was not
    seen before widens the file, in one atomic step. A file that is there is continued, never wiped.

    A disk that is full costs one warning; the rows are kept and written when there is room.

    Being the first logger of a trainer, it puts Lightning's default checkpoint folder at
    ``<run folder>/checkpoints``.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        flush_seconds: float = FLUSH_SECONDS,
        position: Position | None = None,
    ) -> None:
        super().__init__()
        self.position = position or Position()
        self.path = Path(path).absolute()
        self._flush_seconds = flush_seconds
        self._pending: list[_Row] = []
        self._scalars: list[str] | None = None  # scalar columns of the file; None: not looked yet
        self._rows = 0  # of the file
        self._warned = False
        self._timer: threading.Timer | None = None
        self._lock = threading.RLock()

    @property
    def name(self) -> str:
        """Empty: the folder is the run's."""
        return ""

    @property
    def version(self) -> str:
        """Empty: the folder is the run's."""
        return ""

    @property
    def save_dir(self) -> str:
        """The run's folder."""
        return str(self.path.parent)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Add a row. A value that is no number (a text, an image) is left out."""
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
                # One short-lived thread every few seconds at most: a loop that goes quiet for minutes after
                # its last row (a long validation, a hang) still finds that row on disk.
                self._timer = threading.Timer(self._flush_seconds, self.flush)
                self._timer.daemon = True
                self._timer.start()
        if evaluated:
            self.flush()

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: the configuration has a file of its own."""

    @rank_zero_only
    def save(self) -> None:
        """Write what is pending."""
        self.flush()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what is pending; logging may go on."""
        self.flush()

    def flush(self) -> None:
        """Write what is pending. A failing disk costs a warning, once; the rows stay pending."""
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
        """Force all rows to the disk, and return how many there are: what a checkpoint keeps for a resume."""
        with self._lock:
            self.flush()
            self._look()
            if self.path.exists():
                with self.path.open("rb") as file:
                    os.fsync(file.fileno())
            return self._rows + len(self._pending)

    def continue_from(self, mark: int) -> None:
        """Keep the first ``mark`` rows and the columns that these fill; the resumed run logs the others again.

        Args:
            mark: What :meth:`mark` returned when the checkpoint was written.
        """
        with self._lock:
            self.flush()
            self._scalars = None
            if not self.path.exists():
                return
            drop_torn_line(self.path)
            header, *body = read_rows(self.path) or [[]]
            kept = [row + [""] * (len(header) - len(row)) for row in body[:mark]]
            filled = [at for at in range(len(header)) if at < 2 or any(row[at] for row in kept)]
            if not kept:
                self.path.unlink(missing_ok=True)
            else:
                table = [[row[at] for at in filled] for row in [header, *kept]]
                write_atomically(self.path, csv_bytes(table), to_disk=True)

    def _look(self) -> None:
        """Find out what the file has, before its first row is added."""
        if self._scalars is None:
            drop_torn_line(self.path)
            header, *body = read_rows(self.path) or [["epoch", "step"]]
            self._scalars, self._rows = header[2:], len(body)

    def _append(self, rows: list[_Row]) -> None:
        self._look()
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
                os.truncate(self.path, end)  # half a row would spoil the file
                raise
        self._rows += len(rows)

    def __getstate__(self) -> dict[str, Any]:
        self.flush()
        return self.__dict__ | {"_lock": None, "_timer": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()


def _numbers(metrics: Mapping[str, Any]) -> Iterable[tuple[str, float]]:
    for name, value in metrics.items():
        try:
            yield name, float(value)
        except (TypeError, ValueError, RuntimeError):
            continue
