"""The study of a search in the sweep's folder: several processes work on it, and a kill leaves it intact.

Optuna notices a dead worker by its heartbeat, minutes later, and runs its trial again as a new one. Here a worker
holds a file lock as long as it runs a trial. The lock of a dead process is free at once; the worker that takes it
resumes the same trial, so that a study has exactly the requested number of trials, each finished once.
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
from typing_extensions import override

from convscope.composition.jobs import folder_name
from convscope.config.sweep import SearchConfig
from convscope.runs.run_folder import RunFolder
from convscope.sweeps.space import Dimension

STORAGES = {"journal": "study.journal", "sqlite": "study.db"}
STUDY_LOCK = ".study.lock"  # held while a trial is chosen
TRIAL_LOCK = ".trial"  # in a trial's folder, held while a process runs it
SQLITE_TIMEOUT = 60  # seconds to wait for the write of another process
POLL_INTERVAL = 1.0  # seconds between two checks of a trial that another process runs
DEATHS = "deaths"  # attribute of a trial: processes that died while they ran it


class JournalLock(BaseJournalFileLock):
    """Locks a journal, and cuts off a last line that a kill or a full disk left unfinished: the next would join it.

    Optuna's own locks outlive their process, and are broken by force after half a minute.
    """

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._lock = FileLock(journal.with_name(f".{journal.name}.lock"))

    @override
    def acquire(self) -> bool:
        self._lock.acquire()
        try:
            self._cut_torn_line()
        except BaseException:
            self._lock.release()
            raise
        return True

    @override
    def release(self) -> None:
        self._lock.release()

    def _cut_torn_line(self) -> None:
        """Remove what follows the last line end of the journal."""
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
        trial: Optuna's trial.
        name: Name of the trial's folder.
        overrides: Overrides that the trial chose.
        deaths: Number of processes that died while they ran it.
    """

    trial: Trial
    name: str
    overrides: tuple[str, ...]
    deaths: int


class SearchStudy:
    """The trials of a search.

    Args:
        folder: Folder of the sweep.
        config: Settings of the search.
        dimensions: Keys that the search chooses values for.
    """

    def __init__(self, folder: Path, config: SearchConfig, dimensions: Sequence[Dimension]) -> None:
        self.folder, self.config, self.dimensions = folder, config, dimensions
        self._distributions = {dimension.key: dimension.distribution() for dimension in dimensions}
        self._lock = FileLock(folder / STUDY_LOCK)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with self._lock:
            self.optuna_study = optuna.create_study(
                storage=_storage(folder / STORAGES[config.storage], config.storage),
                study_name="search",
                direction="minimize" if config.lowest else "maximize",
                pruner=_pruner(config),
                load_if_exists=True,
            )

    @contextmanager
    def claim(self, skipped: Sequence[int] = ()) -> Iterator[ClaimedTrial | None]:
        """Yield a trial to run, locked inside the context: one that a process left unfinished, else a new one.

        If only other processes run trials, wait for them, since one may die. Yield None once all trials are finished.

        Args:
            skipped: Numbers of trials that must not be resumed.
        """
        while True:
            with self._lock:  # no other process chooses now, so every trial that has begun has all its values
                locked = self._unfinished(skipped) or self._new()
                running = [
                    self._lock_file(trial) for trial in self._trials(TrialState.RUNNING) if trial.number not in skipped
                ]
            if locked is not None:
                claimed, lock = locked
                try:
                    yield claimed
                finally:
                    lock.release()
                return
            if not running:
                yield None
                return
            with FileLock(running[0]).acquire(poll_interval=POLL_INTERVAL):
                pass  # the trial is finished, or its process is dead

    def finish(self, claimed: ClaimedTrial, value: float | None, state: str) -> None:
        """Record how a trial ended: ``complete`` with its ``value``, ``pruned``, or ``failed``."""
        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        with self._lock:
            self.optuna_study.tell(claimed.trial.number, value if state == "complete" else None, states[state])

    def completed_duplicate(self, claimed: ClaimedTrial) -> tuple[int, float] | None:
        """Return number and value of a completed trial with the same overrides; None if there is none."""
        for trial in self._trials(TrialState.COMPLETE):
            if self._overrides(trial.params) == claimed.overrides and trial.value is not None:
                return trial.number, trial.value
        return None

    def counts(self) -> dict[str, int]:
        """Return the number of trials in each state, by the state's name in lower case."""
        names = [trial.state.name.lower() for trial in self._trials()]
        return {name: names.count(name) for name in dict.fromkeys(names)}

    @property
    def finished(self) -> int:
        """Number of trials that have ended, successfully or not."""
        return sum(trial.state.is_finished() for trial in self._trials())

    def best(self) -> FrozenTrial | None:
        """Return the completed trial with the best value, the first of equal ones; None if there is none."""
        sign = 1.0 if self.config.lowest else -1.0
        scored = [(trial.value, trial) for trial in self._trials(TrialState.COMPLETE) if trial.value is not None]
        best = min(scored, key=lambda pair: (sign * pair[0], pair[1].number), default=None)
        return None if best is None else best[1]

    def name_of(self, trial: FrozenTrial) -> str:
        """Return the name of a trial's folder: its number and its overrides."""
        return f"{trial.number:03d}_{folder_name(self._overrides(trial.params))}"

    def overrides_of(self, trial: FrozenTrial) -> tuple[str, ...]:
        """Return the overrides that a trial chose."""
        return self._overrides(trial.params)

    def _unfinished(self, skipped: Sequence[int]) -> tuple[ClaimedTrial, FileLock] | None:
        """Lock and return the first trial that a dead process left unfinished; None if there is none."""
        for running in self._trials(TrialState.RUNNING):
            if running.number in skipped:
                continue
            trial = Trial(self.optuna_study, running._trial_id)
            if set(running.params) != set(self._distributions):  # its process died while it chose, before it ran
                self._choose(trial)
            locked = self._claim(trial)
            if locked is None:
                continue
            claimed, lock = locked
            if not RunFolder(self.folder / claimed.name).read_status():  # its process died without writing a status
                claimed = replace(claimed, deaths=claimed.deaths + 1)
                trial.set_user_attr(DEATHS, claimed.deaths)
            return claimed, lock
        return None

    def _new(self) -> tuple[ClaimedTrial, FileLock] | None:
        """Choose, lock and return a new trial; None if the search has all its trials."""
        number = len(self._trials())
        if number >= self.config.trials:
            return None
        # The seed depends on the number alone: how many processes work or were killed does not change a trial's choice.
        self.optuna_study.sampler = _sampler(self.config, (self.config.seed * 1_000_003 + number) % 2**32)
        trial = self.optuna_study.ask()
        self._choose(trial)
        return self._claim(trial)

    def _choose(self, trial: Trial) -> None:
        """Let Optuna choose a value for each dimension."""
        for name, distribution in self._distributions.items():
            if isinstance(distribution, FloatDistribution):
                trial.suggest_float(
                    name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
                )
            elif isinstance(distribution, IntDistribution):
                trial.suggest_int(
                    name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
                )
            elif isinstance(distribution, CategoricalDistribution):
                trial.suggest_categorical(name, distribution.choices)

    def _claim(self, trial: Trial) -> tuple[ClaimedTrial, FileLock] | None:
        """Lock and return a trial; None if another process runs it."""
        frozen = next(running for running in self._trials(TrialState.RUNNING) if running.number == trial.number)
        lock = FileLock(self._lock_file(frozen))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        deaths = frozen.user_attrs.get(DEATHS, 0)
        return ClaimedTrial(trial, self.name_of(frozen), self.overrides_of(frozen), deaths), lock

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials in these states; without states, all."""
        return self.optuna_study.get_trials(deepcopy=False, states=states or None)

    def _lock_file(self, trial: FrozenTrial) -> Path:
        """Return the file that is locked while a process runs the trial."""
        folder = self.folder / self.name_of(trial)
        folder.mkdir(exist_ok=True)
        return folder / TRIAL_LOCK

    def _overrides(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the overrides for the values that Optuna chose."""
        return tuple(dimension.to_override(params[dimension.key]) for dimension in self.dimensions)


def _storage(file: Path, kind: str) -> optuna.storages.BaseStorage:
    """Return Optuna's storage in ``file``."""
    if kind == "sqlite":
        return optuna.storages.RDBStorage(
            f"sqlite:///{file}", engine_kwargs={"connect_args": {"timeout": SQLITE_TIMEOUT}}
        )
    return optuna.storages.JournalStorage(JournalFileBackend(str(file), lock_obj=JournalLock(file)))


def _sampler(config: SearchConfig, seed: int) -> optuna.samplers.BaseSampler:
    """Return the sampler of the kind that is configured."""
    if config.kind == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(n_startup_trials=config.startup, seed=seed)


def _pruner(config: SearchConfig) -> optuna.pruners.BasePruner:
    """Return the pruner that ``sweep.pruning`` selects."""
    match config.pruning:
        case "median":
            return optuna.pruners.MedianPruner(
                n_startup_trials=config.prune_after_trials, n_warmup_steps=config.prune_after_epochs
            )
        case "halving":
            return optuna.pruners.SuccessiveHalvingPruner(min_resource=max(1, config.prune_after_epochs))
    return optuna.pruners.NopPruner()
