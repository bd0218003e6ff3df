"""Where the seconds of a run go: every second counts once, so that the parts add up to the whole."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from convscope.runs.run_folder import RunFolder

PREPARATION, TEST, REST = "preparation", "test", "rest"  # phases of a run; between the first two come its stages
OWN, FEATURES = "own", "extracting features"  # what a phase spends them on, beside looking into the network
EVERY = 5.0  # seconds between two notes on the disk: a kill loses the count of no more than that


class TimeSpent:
    """Seconds by phase of the run, and by what they were spent on in it. Hand one to every callback that looks.

    A second belongs to the innermost ``on`` that is open, and to none of those around it.

    Args:
        started: When the first phase began, by ``time.perf_counter``; None: now.
    """

    def __init__(self, started: float | None = None) -> None:
        self.phases: dict[str, dict[str, float]] = {}
        self._phase = PREPARATION
        self._open = [OWN]
        self._since = time.perf_counter() if started is None else started

    def add_earlier(self, phases: Mapping[str, Mapping[str, float]]) -> None:
        """Count what an earlier process has spent on the same run, too: ``phases`` as `phases` has them."""
        for phase, parts in phases.items():
            for name, seconds in parts.items():
                self._add(phase, name, seconds)

    def begin(self, phase: str) -> None:
        """End the phase that is under way, and begin another."""
        self.count()
        self._phase = phase

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Count the body's seconds for ``name``, also when it raises."""
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
        self._add(self._phase, self._open[-1], now - self._since)
        self._since = now

    def seconds_of(self, phase: str, name: str) -> float:
        """Seconds that a phase spent on something."""
        return self.phases.get(phase, {}).get(name, 0.0)

    def insight(self, phase: str) -> float:
        """Seconds that a phase spent on looking into the network."""
        return sum(seconds for name, seconds in self.phases.get(phase, {}).items() if name not in (OWN, FEATURES))

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by what the network was looked into for."""
        found: dict[str, float] = {}
        for parts in self.phases.values():
            for name, seconds in parts.items():
                if name not in (OWN, FEATURES):
                    found[name] = found.get(name, 0.0) + seconds
        return found

    @property
    def total(self) -> float:
        """Seconds of looking into the network."""
        return sum(self.seconds.values())

    def console_summary(self, run: float) -> str:
        """In a line, beside the ``run`` seconds of the whole."""
        parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items())
        return f"looking into the network took {self.total:.1f} s, {self.total / run:.1%} of the run ({parts})"

    def _add(self, phase: str, name: str, seconds: float) -> None:
        parts = self.phases.setdefault(phase, {})
        parts[name] = parts.get(name, 0.0) + seconds


def stage_phase(number: int) -> str:
    """The phase of stage ``number``, from 0."""
    return f"stage {number + 1}"


def seconds_by_part(time_spent: TimeSpent, stages: int) -> dict[str, float]:
    """The parts of a run's seconds for ``summary.json``, no second in two of them, and their sum first.

    ``training`` is that of all ``stages``, without ``extracting_features`` and ``insight``.
    """
    time_spent.count()
    fits = [stage_phase(number) for number in range(stages)]
    parts = {
        "preparation": time_spent.seconds_of(PREPARATION, OWN),
        "training": sum(time_spent.seconds_of(phase, OWN) for phase in fits),
        "extracting_features": sum(time_spent.seconds_of(phase, FEATURES) for phase in time_spent.phases),
        "insight": time_spent.total,
        "test": time_spent.seconds_of(TEST, OWN),
        "rest": time_spent.seconds_of(REST, OWN),
    }
    return {"total": sum(parts.values()), **parts}


class TimeSpentWriter(Callback):
    """Notes the seconds of a training on the disk now and then: after a kill the run's time goes on from there."""

    def __init__(self, time_spent: TimeSpent, folder: RunFolder) -> None:
        self.spent, self.folder = time_spent, folder
        self._noted = time.perf_counter()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note what came before."""
        self._note()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Note them, where the last time is long enough ago."""
        if time.perf_counter() - self._noted >= EVERY:
            self._note()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note the stage's."""
        self._note()

    def _note(self) -> None:
        self.spent.count()
        self.folder.write_seconds(self.spent.phases)
        self._noted = time.perf_counter()
