"""The study of a search, in the sweep's folder: several processes work on it, and a kill leaves it whole.

Optuna notices a dead worker by its heartbeat, minutes later, and begins its trial anew as another. Here a worker holds
a file's lock as long as it runs a trial. The lock of a process that is gone is free at once; whoever takes it goes on
with that same trial, so that a study has as many trials as were asked for, each finished once.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock
from optuna.trial import FrozenTrial, Trial, TrialState

from convscope.composition.jobs import folder_name
from convscope.config.sweep import SearchConfig
from convscope.runs.run_folder import RunFolder
from convscope.sweeps.space import Dimension

STORAGES = {"journal": "study.journal", "sqlite": "study.db"}
STUDY_LOCK = ".study.lock"  # held while a trial is chosen
TRIAL_LOCK = ".trial"  # of a trial's folder, held while a process runs it
SQLITE_WAITS = 60  # seconds for another process to end its write
TURN = 1.0  # seconds between two looks at a trial that another process runs
DEATHS = "deaths"  # of processes that ran a trial


class JournalLock(BaseJournalFileLock):
    """Guards a journal; a line that a kill or a full disk cut off is taken away, since the next would join it.

    Optuna's own locks outlive their process, and are broken by force after half a minute.
    """

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._lock = FileLock(journal.with_name(f".{journal.name}.lock"))

    def acquire(self) -> bool:
        """Wait for it."""
        self._lock.acquire()
        try:
            self._mend()
        except BaseException:
            self._lock.release()
            raise
        return True

    def release(self) -> None:
        """Leave it to others."""
        self._lock.release()

    def _mend(self) -> None:
        with self._journal.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            if size == 0:
                return
            file.seek(size - 1)
            if file.read(1) != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)


@dataclass(frozen=True)
class ClaimedTrial:
    """A trial that this process runs.

    Attributes:
        trial: Optuna's.
        name: Of its folder.
        words: What it chooses.
        deaths: Processes that died over it.
    """

    trial: Trial
    name: str
    overrides: tuple[str, ...]
    deaths: int


class Study:
    """The trials of a search.

    Args:
        folder: The sweep's.
        told: How to search.
        dimensions: What is chosen.
    """

    def __init__(self, folder: Path, config: SearchConfig, dimensions: Sequence[Dimension]) -> None:
        self.folder, self.config, self.dimensions = folder, config, dimensions
        self._distributions = {dimension.key: dimension.distribution() for dimension in dimensions}
        self._lock = FileLock(folder / STUDY_LOCK)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with self._lock:
            self.study = optuna.create_study(
                storage=_storage(folder / STORAGES[config.storage], config.storage),
                study_name="search",
                direction="minimize" if config.lowest else "maximize",
                pruner=_pruner(config),
                load_if_exists=True,
            )

    @contextmanager
    def claim(self, left: Sequence[int] = ()) -> Iterator[ClaimedTrial | None]:
        """A trial to run, held within: one that a process left unfinished, or a new one.

        Waits while only other processes run trials, since one of them may die. None where all are finished.

        Args:
            left: Numbers of trials not to take up again.
        """
        while True:
            with self._lock:  # nobody chooses now: what is begun has all its values
                found = self._unfinished(left) or self._new()
                running = [
                    self._lock_file(trial) for trial in self._trials(TrialState.RUNNING) if trial.number not in left
                ]
            if found is not None:
                claimed, lock = found
                try:
                    yield claimed
                finally:
                    lock.release()
                return
            if not running:
                yield None
                return
            with FileLock(running[0]).acquire(poll_interval=TURN):
                pass  # it is finished, or its process is gone

    def finish(self, claimed: ClaimedTrial, value: float | None, state: str) -> None:
        """Tell how a trial ended: ``complete`` with its ``value``, ``pruned``, or ``failed``."""
        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        with self._lock:
            self.study.tell(claimed.trial.number, value if state == "complete" else None, states[state])

    def known(self, claimed: ClaimedTrial) -> tuple[int, float] | None:
        """Number and value of a completed trial that chose the same."""
        for trial in self._trials(TrialState.COMPLETE):
            if self._words(trial.params) == claimed.overrides and trial.value is not None:
                return trial.number, trial.value
        return None

    def counts(self) -> dict[str, int]:
        """How many trials there are of each state, by its name in lower case."""
        names = [trial.state.name.lower() for trial in self._trials()]
        return {name: names.count(name) for name in dict.fromkeys(names)}

    @property
    def finished(self) -> int:
        """How many trials have ended, well or not."""
        return sum(trial.state.is_finished() for trial in self._trials())

    def best(self) -> FrozenTrial | None:
        """The completed trial with the best value, the first of equals; None where none has one."""
        sign = 1.0 if self.config.lowest else -1.0
        scored = [(trial.value, trial) for trial in self._trials(TrialState.COMPLETE) if trial.value is not None]
        found = min(scored, key=lambda one: (sign * one[0], one[1].number), default=None)
        return None if found is None else found[1]

    def name_of(self, trial: FrozenTrial) -> str:
        """The name of a trial's folder: its number and what it chose."""
        return f"{trial.number:03d}_{folder_name(self._words(trial.params))}"

    def overrides_of(self, trial: FrozenTrial) -> tuple[str, ...]:
        """What a trial chose."""
        return self._words(trial.params)

    def _unfinished(self, left: Sequence[int]) -> tuple[ClaimedTrial, FileLock] | None:
        for found in self._trials(TrialState.RUNNING):
            if found.number in left:
                continue
            trial = Trial(self.study, found._trial_id)
            if set(found.params) != set(self._distributions):  # its process died while it chose, and ran nothing
                self._choose(trial)
            found_free = self._claim(trial)
            if found_free is None:
                continue
            claimed, lock = found_free
            if not RunFolder(self.folder / claimed.name).read_status():  # its process had no time for a word
                claimed = replace(claimed, deaths=claimed.deaths + 1)
                trial.set_user_attr(DEATHS, claimed.deaths)
            return claimed, lock
        return None

    def _new(self) -> tuple[ClaimedTrial, FileLock] | None:
        number = len(self._trials())
        if number >= self.config.trials:
            return None
        # Of the number alone: a trial's choice does not depend on how many processes work, or were killed.
        self.study.sampler = _sampler(self.config, (self.config.seed * 1_000_003 + number) % 2**32)
        trial = self.study.ask()
        self._choose(trial)
        return self._claim(trial)

    def _choose(self, trial: Trial) -> None:
        for name, kind in self._distributions.items():
            if isinstance(kind, FloatDistribution):
                trial.suggest_float(name, kind.low, kind.high, step=kind.step, log=kind.log)
            elif isinstance(kind, IntDistribution):
                trial.suggest_int(name, kind.low, kind.high, step=kind.step, log=kind.log)
            elif isinstance(kind, CategoricalDistribution):
                trial.suggest_categorical(name, kind.choices)

    def _claim(self, trial: Trial) -> tuple[ClaimedTrial, FileLock] | None:
        found = next(each for each in self._trials(TrialState.RUNNING) if each.number == trial.number)
        lock = FileLock(self._lock_file(found))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        deaths = found.user_attrs.get(DEATHS, 0)
        return ClaimedTrial(trial, self.name_of(found), self.overrides_of(found), deaths), lock

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=states or None)

    def _lock_file(self, trial: FrozenTrial) -> Path:
        folder = self.folder / self.name_of(trial)
        folder.mkdir(exist_ok=True)
        return folder / TRIAL_LOCK

    def _words(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(dimension.choose(params[dimension.key]) for dimension in self.dimensions)


def _storage(file: Path, kind: str) -> optuna.storages.BaseStorage:
    if kind == "sqlite":
        return optuna.storages.RDBStorage(
            f"sqlite:///{file}", engine_kwargs={"connect_args": {"timeout": SQLITE_WAITS}}
        )
    return optuna.storages.JournalStorage(JournalFileBackend(str(file), lock_obj=JournalLock(file)))


def _sampler(config: SearchConfig, seed: int) -> optuna.samplers.BaseSampler:
    if config.kind == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(n_startup_trials=config.startup, seed=seed)


def _pruner(config: SearchConfig) -> optuna.pruners.BasePruner:
    match config.pruning:
        case "median":
            return optuna.pruners.MedianPruner(
                n_startup_trials=config.prune_after_trials, n_warmup_steps=config.prune_after_epochs
            )
        case "halving":
            return optuna.pruners.SuccessiveHalvingPruner(min_resource=max(1, config.prune_after_epochs))
    return optuna.pruners.NopPruner()
