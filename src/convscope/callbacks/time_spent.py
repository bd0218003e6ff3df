"""Where the seconds of a run go: every second counts once, so that the parts add up to the whole."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from convscope.runs.run_folder import RunFolder

PREPARATION, TEST, REST = "preparation", "test", "rest"  # phases of a run; its stages come between the first two
OWN, FEATURES = "own", "extracting features"  # parts of a phase's seconds; all other parts are analysis
WRITE_INTERVAL = 5.0  # seconds between two writes to the disk: a kill loses no more of the count


class TimeSpent:
    """Counts the seconds of a run by phase, and by what they were spent on. All callbacks that analyse share one.

    A second belongs to the innermost open `measure`, and to none of those around it.

    Args:
        started: When the first phase began, by ``time.perf_counter``; None: now.

    Attributes:
        phases: Seconds by phase and, within it, by what they were spent on, as of the last `count`.
    """

    def __init__(self, started: float | None = None) -> None:
        self.phases: dict[str, dict[str, float]] = {}
        self._phase = PREPARATION
        self._open = [OWN]
        self._counted_until = time.perf_counter() if started is None else started

    def add_earlier(self, phases: Mapping[str, Mapping[str, float]]) -> None:
        """Add what an earlier process spent on the same run: its `phases`."""
        for phase, parts in phases.items():
            for name, seconds in parts.items():
                self._add(phase, name, seconds)

    def begin(self, phase: str) -> None:
        """End the current phase, and begin another."""
        self.count()
        self._phase = phase

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Count the seconds of the context under ``name``, also if it raises."""
        self.count()
        self._open.append(name)
        try:
            yield
        finally:
            self.count()
            self._open.pop()

    def count(self) -> None:
        """Bring ``phases`` up to now."""
        now = time.perf_counter()
        self._add(self._phase, self._open[-1], now - self._counted_until)
        self._counted_until = now

    def seconds_of(self, phase: str, name: str) -> float:
        """Return the seconds that a phase spent on ``name``."""
        return self.phases.get(phase, {}).get(name, 0.0)

    def analysis_seconds_of(self, phase: str) -> float:
        """Return the seconds that a phase spent on analysis."""
        return sum(seconds for name, seconds in self.phases.get(phase, {}).items() if name not in (OWN, FEATURES))

    @property
    def analysis_seconds(self) -> dict[str, float]:
        """Seconds of each kind of analysis, over all phases."""
        totals: dict[str, float] = {}
        for parts in self.phases.values():
            for name, seconds in parts.items():
                if name not in (OWN, FEATURES):
                    totals[name] = totals.get(name, 0.0) + seconds
        return totals

    @property
    def analysis_total(self) -> float:
        """Seconds of all analysis."""
        return sum(self.analysis_seconds.values())

    def console_summary(self, run: float) -> str:
        """Return a line for the console about the seconds of analysis; ``run`` is those of the whole run."""
        parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.analysis_seconds.items())
        total = self.analysis_total
        return f"analysis of the network took {total:.1f} s, {total / run:.1%} of the run ({parts})"

    def _add(self, phase: str, name: str, seconds: float) -> None:
        parts = self.phases.setdefault(phase, {})
        parts[name] = parts.get(name, 0.0) + seconds


def stage_phase(number: int) -> str:
    """Return the name of the phase of stage ``number``, from 0."""
    return f"stage {number + 1}"


def seconds_by_part(time_spent: TimeSpent, stages: int) -> dict[str, float]:
    """Return the parts of a run's seconds for ``summary.json``, their sum first; no second counts twice.

    ``training`` sums all ``stages``, without ``extracting_features`` and ``insight``.
    """
    time_spent.count()
    fits = [stage_phase(number) for number in range(stages)]
    parts = {
        "preparation": time_spent.seconds_of(PREPARATION, OWN),
        "training": sum(time_spent.seconds_of(phase, OWN) for phase in fits),
        "extracting_features": sum(time_spent.seconds_of(phase, FEATURES) for phase in time_spent.phases),
        "insight": time_spent.analysis_total,
        "test": time_spent.seconds_of(TEST, OWN),
        "rest": time_spent.seconds_of(REST, OWN),
    }
    return {"total": sum(parts.values()), **parts}


class TimeSpentWriter(Callback):
    """Writes the seconds to the disk during a training, so that after a kill the run's time goes on from there."""

    def __init__(self, time_spent: TimeSpent, folder: RunFolder) -> None:
        self.time_spent, self.folder = time_spent, folder
        self._last_write = time.perf_counter()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write what came before the training."""
        self._write()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Write the seconds if the last write is long enough ago."""
        if time.perf_counter() - self._last_write >= WRITE_INTERVAL:
            self._write()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the seconds of the stage."""
        self._write()

    def _write(self) -> None:
        self.time_spent.count()
        self.folder.write_seconds(self.time_spent.phases)
        self._last_write = time.perf_counter()
