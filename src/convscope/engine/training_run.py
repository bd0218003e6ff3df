"""Runs one training: opens its folder and its trackers, fits the stages, tests, and writes the results."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Generic

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger

from convscope.callbacks.periodic_callback import analyse_best_weights
from convscope.callbacks.preemption import Preemption
from convscope.callbacks.pruning import PruningCallback
from convscope.callbacks.time_spent import REST, TEST, TimeSpent
from convscope.composition.current_job import sweep_path
from convscope.console import echo, print_facts, warn
from convscope.distributed.processes import Processes
from convscope.engine.built_training import BuiltTraining
from convscope.engine.opened_folder import OpenedFolder, open_folder, write_config
from convscope.engine.own_code.callbacks import build_own_callbacks, build_own_loggers
from convscope.engine.prepared_stages import print_plan
from convscope.engine.prepared_training import PreparedTraining, gather_warnings, prepare_training
from convscope.engine.print_summary import print_summary
from convscope.engine.results import log_network, log_results
from convscope.engine.run_request import RunRequest
from convscope.engine.run_status import record_status
from convscope.engine.run_warnings import RunWarnings
from convscope.engine.stages import StageRunner
from convscope.engine.summary import FinishedRun, summarise
from convscope.engine.trainer import build_bar, load_best
from convscope.engine.trial import current_reporter
from convscope.errors import Interrupted, Pruned
from convscope.modalities.insights import Insights
from convscope.modalities.modality import BuiltT, DataT, SourceT
from convscope.reports.page import write_report
from convscope.tracking.recorder import Recorder
from convscope.tracking.trackers import build_loggers, close


class TrainingRun(Generic[SourceT, BuiltT, DataT]):
    """Runs one training. Each process has an instance; only rank 0 writes and prints.

    Args:
        request: The training to run.
        training: The same, with its network built.
        preemption: Handles the signals that ask the training to stop.
        processes: Processes that train together, started.
        started: When the command began, by ``time.perf_counter``.
    """

    def __init__(
        self,
        request: RunRequest,
        training: BuiltTraining[SourceT, BuiltT, DataT],
        preemption: Preemption,
        processes: Processes,
        started: float,
    ) -> None:
        self.request, self.training, self.config = request, training, training.config
        self.preemption, self.processes = preemption, processes
        self.time_spent = TimeSpent(started)
        self._own_callbacks = build_own_callbacks(self.config)

    def run(self) -> None:
        """Train, test the best weights, and leave a complete folder behind.

        Raises:
            UserError: The data cannot be used, or the training diverged.
            Interrupted: A signal stopped the training; the folder has what is needed to resume it.
        """
        opened = open_folder(self.request, self.config, self.processes)
        folder, resumed = opened.folder, self.request.resumed
        self.time_spent.add_earlier(folder.read_seconds())
        loggers: list[Logger] = []
        status, summary = "failed", None
        try:
            with ExitStack() as at_exit, record_status(folder, self.processes):
                loggers, notices = self._build_loggers(opened)
                if self.processes.is_rank_zero and resumed and resumed.changed:
                    # Only now, because a requested tracker may be unusable, which raises.
                    write_config(folder, self.request, resumed.changed)
                summary = self._train(opened, loggers, notices, at_exit)
            status = "success"
        except Pruned:
            status = "success"
            raise
        except Interrupted:
            status = "interrupted"
            raise
        finally:
            if self.processes.is_rank_zero and summary is None:
                self.time_spent.count()
                folder.write_seconds(self.time_spent.phases)
            failures = close(loggers, status)
            for failure in failures:
                warn(failure)
        if summary is None:
            return
        if failures:
            summary["warnings"] += failures
            write_report(folder, summary)
        folder.write_summary(summary)
        tested = f"{summary['data']['sizes']['test']:,} {self.training.modality.noun}"
        echo(f"\ntest accuracy {summary['metrics']['test']['accuracy']:.4f} on {tested}")
        print_summary(summary, folder)

    def _build_loggers(self, opened: OpenedFolder) -> tuple[list[Logger], list[str]]:
        """Start the trackers; return Lightning's loggers, and notices for the console."""
        config, sweep = self.config, sweep_path()
        return build_loggers(
            config.logger.trackers,
            opened.folder,
            run_name=opened.folder.path.name,
            outputs=os.path.abspath(config.outputs),
            group=config.group or (sweep.name if sweep else None),
            tags=config.tags,
            config=config.model_dump(),
            marks=opened.marks,
            further=lambda: build_own_loggers(config.logger),
        )

    def _train(
        self, opened: OpenedFolder, loggers: Sequence[Logger], notices: Sequence[str], at_exit: ExitStack
    ) -> dict[str, Any] | None:
        """Run all stages and the test; return the summary, or None on ranks other than 0."""
        is_rank_zero, warnings = self.processes.is_rank_zero, RunWarnings()
        recorder = Recorder(opened.folder, loggers)
        prepared = prepare_training(self.training, self.processes, recorder, self.time_spent, warnings, at_exit)
        observer = prepared.observer
        self._print_plan(prepared, opened, notices)
        if self.config.callbacks.figures and is_rank_zero and not opened.marks:
            # A resumed run has shown them already, in its folder and in its trackers.
            observer.log_samples()
        insights = observer.insights() if is_rank_zero else None
        stages = self._stage_runner(prepared, opened, loggers, [] if insights is None else insights.callbacks)
        stages.run(prepared.stages)
        self.time_spent.begin(TEST)
        trainer = self._test(prepared, stages)
        for text in gather_warnings(prepared.extractor):
            warnings.add(text, printed=text in prepared.extractor.warnings)
        return self._finish(prepared, stages, trainer, insights, warnings) if is_rank_zero else None

    def _finish(
        self,
        prepared: PreparedTraining,
        stages: StageRunner,
        trainer: pl.Trainer,
        insights: Insights | None,
        warnings: RunWarnings,
    ) -> dict[str, Any]:
        """Analyse the weights that were tested, and log the results; return the summary."""
        self.time_spent.begin(REST)
        observer = prepared.observer
        log_network(observer)
        if insights is not None:
            insights.finish()
        analyse_best_weights(stages.shared_callbacks, stages.finished[-1].best_epoch if stages.finished else None)
        summary = summarise(
            FinishedRun(
                overrides=self.request.overrides,
                task_name=self.training.modality.task_name,
                observer=observer,
                stages=stages.finished,
                test_metrics={name: float(value) for name, value in trainer.callback_metrics.items()},
                receptive_field=None if insights is None else insights.receptive_field,
                hardware=prepared.hardware,
                warnings=warnings.texts,
            )
        )
        if self.time_spent.analysis_seconds:
            echo(self.time_spent.console_summary(summary["seconds"]["total"]))
        assert prepared.task.predictions is not None
        log_results(observer, self.training.modality.noun.removesuffix("s"), prepared.task.predictions, summary)
        return summary

    def _print_plan(self, prepared: PreparedTraining, opened: OpenedFolder, notices: Sequence[str]) -> None:
        """Print what is going to be trained, on what, and where its results will lie."""
        built, weights = self.training.built, self.training.weights
        print_facts(
            {
                "model": f"{built.network.name}: {built.network.parameters:,} parameters, "
                f"{built.multiply_adds / 1e6:,.1f} M multiply-adds, "
                f"{weights.source} weights{f' ({weights.name})' if weights.name else ''}",
                **prepared.observer.console_summary(),
                "transfer": self.config.transfer.name,
                "hardware": str(prepared.hardware),
                "folder": str(opened.folder.path),
            }
        )
        print_plan(prepared.stages, built.network.parameters)
        for notice in notices:
            echo(notice)

    def _stage_runner(
        self,
        prepared: PreparedTraining,
        opened: OpenedFolder,
        loggers: Sequence[Logger],
        insight_callbacks: Sequence[Callback],
    ) -> StageRunner:
        position, callbacks = prepared.observer.recorder.position, [*insight_callbacks, *self._own_callbacks]
        if self.processes.is_rank_zero:
            callbacks += prepared.observer.saliency_callbacks()
            if (trial := current_reporter()) is not None:
                callbacks.append(PruningCallback(trial.metric, position, trial.should_prune))
        return StageRunner(
            config=self.config,
            task=prepared.task,
            extractor=prepared.extractor,
            folder=opened.folder,
            loggers=loggers,
            position=position,
            hardware=prepared.hardware,
            shared_callbacks=callbacks,
            finished=opened.finished,
            preemption=self.preemption,
            processes=self.processes,
            time_spent=self.time_spent,
            marks=opened.marks or {},
        )

    def _test(self, prepared: PreparedTraining, stages: StageRunner) -> pl.Trainer:
        """Load the best weights and test them; return the trainer that tested."""
        callbacks: list[Callback] = [*self._own_callbacks]
        if self.processes.is_rank_zero:
            load_best(prepared.task, stages.folder)
            if self.config.callbacks.figures:
                callbacks.append(prepared.observer.test_figures())
            callbacks += prepared.observer.analysis_callbacks()
        self.processes.broadcast_module(prepared.task)
        return stages.test(prepared.stages[-1], [*build_bar(self.config, "test"), *callbacks])
