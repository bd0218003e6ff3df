"""One process of a search, which runs one trial after another until all are finished."""

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
from convscope.engine.trial import TrialReporter, reporting_to
from convscope.runs.run_folder import RunFolder
from convscope.sweeps.job import JobRunner, Outcome
from convscope.sweeps.launchers.launcher import SweepJobs
from convscope.sweeps.launchers.local_launcher import LocalLauncher
from convscope.sweeps.space import Dimension
from convscope.sweeps.study import ClaimedTrial, SearchStudy

MAX_DEATHS = 5  # processes that may die while they run one trial, for example out of memory


@dataclass(frozen=True)
class SearchWorker:
    """Runs trials of a search, in whichever process it is called.

    Attributes:
        command: Command that a trial runs.
        config_name: Name of the command's configuration.
        folder: Folder of the sweep.
        fixed: Overrides that are the same for all trials.
        dimensions: Keys that the search chooses values for.
        search: Settings of the search.
        config_dir: Folder of the user's own configuration files; None for none.
    """

    command: Command
    config_name: str
    folder: Path
    fixed: Sequence[str]
    dimensions: Sequence[Dimension]
    search: SearchConfig
    config_dir: str | None

    def __call__(self, config: DictConfig) -> list[Outcome]:
        """Run trials as a job of a launcher."""
        set_quiet(bool(config.quiet))
        return self.work()

    def work(self) -> list[Outcome]:
        """Run trials until all trials of the study are finished; return how the trials of this process ended.

        Raises:
            Interrupted, KeyboardInterrupt: A signal or Ctrl-C stopped the process.
        """
        study = SearchStudy(self.folder, self.search, self.dimensions)
        ended: list[Outcome] = []
        skipped: list[int] = []
        while True:
            with study.claim(skipped) as claimed:
                if claimed is None:
                    return ended
                outcome = self._run(study, claimed)
                if outcome.status in ("full", "busy"):
                    skipped.append(claimed.trial.number)
            ended.append(outcome)

    def _run(self, study: SearchStudy, claimed: ClaimedTrial) -> Outcome:
        """Run one trial, and record how it ended."""
        if claimed.deaths >= MAX_DEATHS:
            study.finish(claimed, None, "failed")
            why = f"{claimed.deaths} processes died while they ran it"
            RunFolder(self.folder / claimed.name).write_status("failed", message=why)
            return Outcome(claimed.name, "user_error", why)
        duplicate = study.completed_duplicate(claimed)
        if duplicate is not None:
            number, value = duplicate
            echo(f"\n{claimed.name}: the same as trial {number}")
            study.finish(claimed, value, "complete")
            return Outcome(claimed.name, "complete")
        job = Job((*self.fixed, *claimed.overrides), claimed.name)
        with reporting_to(TrialReporter(self.search.metric, partial(_report_and_should_prune, claimed.trial))):
            (outcome,) = LocalLauncher().run(
                SweepJobs(JobRunner(self.command), self.config_name, self.folder, [job], self.config_dir)
            )
        assert isinstance(outcome, Outcome)
        if outcome.status == "complete":
            reached = self._metric_of(claimed.name)
            if reached is None:
                outcome = Outcome(
                    claimed.name, "user_error", f"sweep.metric={self.search.metric}: its summary has no such metric"
                )
            else:
                study.finish(claimed, reached, "complete")
        if outcome.status == "pruned":
            study.finish(claimed, None, "pruned")
        elif outcome.status in ("user_error", "failed"):
            study.finish(claimed, None, "failed")
        return outcome

    def _metric_of(self, name: str) -> float | None:
        """Return the searched metric in the summary of a run; None if it has none."""
        split, _, metric = self.search.metric.partition("/")
        summary = RunFolder(self.folder / name).read_summary() or {}
        value = summary.get("metrics", {}).get(split, {}).get(metric)
        return None if value is None else float(value)


def _report_and_should_prune(trial: optuna.Trial, epochs: int, value: float) -> bool:
    """Report ``value`` after ``epochs`` epochs to Optuna; return whether the trial should be pruned."""
    if epochs not in trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values:
        trial.report(value, epochs)  # a resumed trial may have reported this epoch before
    return trial.should_prune()
