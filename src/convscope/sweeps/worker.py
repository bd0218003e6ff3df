"""One process of a search: it takes trial after trial, until all are finished."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import optuna
from omegaconf import DictConfig

from convscope.composition.command import Command
from convscope.composition.jobs import Job
from convscope.config.sweep import SearchConfig
from convscope.console import echo, set_quiet
from convscope.engine.trial import Trial, reporting_to
from convscope.runs.run_folder import RunFolder
from convscope.sweeps.job import JobRunner, Outcome
from convscope.sweeps.launchers.launch import launch
from convscope.sweeps.space import Dimension
from convscope.sweeps.study import ClaimedTrial, Study

MOST_DEATHS = 5  # processes that may die over one trial, as by what it takes of memory
HERE = ("basic", dict[str, str]())  # Hydra's launcher that runs a job in this process


@dataclass(frozen=True)
class Worker:
    """Runs trials of a search, in whatever process it is called.

    Attributes:
        command: What a trial runs.
        name: Of the command: of its configuration.
        folder: The sweep's.
        fixed: Words that are the same for all trials.
        dimensions: What the search chooses.
        told: How it searches.
        config_dir: A folder of the user's own options.
    """

    command: Command
    name: str
    folder: Path
    fixed: Sequence[str]
    dimensions: Sequence[Dimension]
    search: SearchConfig
    config_dir: str | None

    def __call__(self, config: DictConfig) -> list[Outcome]:
        """Work as a job of a launcher."""
        set_quiet(bool(config.quiet))
        return self.work()

    def work(self) -> list[Outcome]:
        """Run trials until all of the study are finished; returns how those ended that this process ran.

        Raises:
            Interrupted, KeyboardInterrupt: Somebody asked for an end.
        """
        study = Study(self.folder, self.search, self.dimensions)
        ended: list[Outcome] = []
        left: list[int] = []
        while True:
            with study.claim(left) as claimed:
                if claimed is None:
                    return ended
                outcome = self._run(study, claimed)
                if outcome.status in ("full", "busy"):
                    left.append(claimed.trial.number)
            ended.append(outcome)

    def _run(self, study: Study, claimed: ClaimedTrial) -> Outcome:
        if claimed.deaths >= MOST_DEATHS:
            study.finish(claimed, None, "failed")
            why = f"{claimed.deaths} processes died over it"
            RunFolder(self.folder / claimed.name).write_status("failed", message=why)
            return Outcome(claimed.name, "mistake", why)
        known = study.known(claimed)
        if known is not None:
            number, value = known
            echo(f"\n{claimed.name}: the same as trial {number}")
            study.finish(claimed, value, "complete")
            return Outcome(claimed.name, "complete")
        job = Job((*self.fixed, *claimed.overrides), claimed.name)
        with reporting_to(Trial(self.search.metric, partial(_hopeless, claimed.trial))):
            (outcome,) = launch(JobRunner(self.command), self.name, HERE, self.folder, [job], self.config_dir)
        assert isinstance(outcome, Outcome)
        if outcome.status == "complete":
            reached = self._reached(claimed.name)
            if reached is None:
                outcome = Outcome(claimed.name, "mistake", f"sweep.metric={self.search.metric}: its summary has none")
            else:
                study.finish(claimed, reached, "complete")
        if outcome.status == "pruned":
            study.finish(claimed, None, "pruned")
        elif outcome.status in ("mistake", "failure"):
            study.finish(claimed, None, "failed")
        return outcome

    def _reached(self, name: str) -> float | None:
        split, _, metric = self.search.metric.partition("/")
        summary = RunFolder(self.folder / name).read_summary() or {}
        value = summary.get("metrics", {}).get(split, {}).get(metric)
        return None if value is None else float(value)


def _hopeless(trial: optuna.Trial, epochs: int, value: float) -> bool:
    """Report ``value`` to ``trial``; returns whether it is to be pruned."""
    if epochs not in trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values:
        trial.report(value, epochs)  # the epoch of a trial that is resumed may have been reported before
    return trial.should_prune()
