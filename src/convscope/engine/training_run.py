"""One training from its parts to a complete folder: build, open the folder, fit the stages, test, tell."""

import os
import shlex
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger

from convscope.cache import cache_folder
from convscope.callbacks.confusion_figure import confusion_left_out
from convscope.callbacks.periodic_callback import look_at_kept
from convscope.callbacks.preemption import Preemption
from convscope.callbacks.pruning import Pruning
from convscope.callbacks.time_spent import REST, TEST, TimeSpent
from convscope.composition.current_job import sweep_path
from convscope.console import say, say_facts, warn
from convscope.distributed.processes import Processes
from convscope.engine import trainer as training
from convscope.engine.end_noted import end_noted
from convscope.engine.environment import environment
from convscope.engine.features import FeatureMaker
from convscope.engine.finished_stages import logged_before, read_done
from convscope.engine.hardware import choose_hardware, settle_memory_format
from convscope.engine.prepared_stages import prepare_stages, print_plan
from convscope.engine.print_summary import say_closing
from convscope.engine.results import keep_network, log_results
from convscope.engine.run_request import Asked
from convscope.engine.stages import Stages
from convscope.engine.summary import summarise
from convscope.engine.transfer_choice import refuse_without_effect, settle_transfer
from convscope.engine.trial import running_trial
from convscope.errors import Interrupted, Pruned, UserError
from convscope.masking import mask, mask_text
from convscope.modalities.modality import Subject
from convscope.reports.page import write_report
from convscope.runs.naming import run_path
from convscope.runs.requeued import note_folder
from convscope.runs.run_folder import RunFolder
from convscope.tasks.objective import Objective
from convscope.tracking.recorder import Recorder
from convscope.tracking.trackers import build_loggers, close


class TrainingRun:
    """A training of which each process has one; only the first writes and prints.

    Args:
        asked: What is to be done.
        subject: The pictures or texts.
        accelerator, allocator: What this process computes on.
        preemption: Signals that ask for an end.
        processes: Those that train together, started.
        started: When the command began, by ``time.perf_counter``.

    Raises:
        UserError: The weights, or what the transfer needs of them, cannot be had; a key has no effect.
    """

    def __init__(
        self,
        asked: Asked,
        subject: Subject,
        accelerator: str,
        allocator: str,
        preemption: Preemption,
        processes: Processes,
        started: float,
    ) -> None:
        self.asked, self.subject, self.preemption, self.processes = asked, subject, preemption, processes
        pl.seed_everything(asked.config.seed, workers=True, verbose=False)
        self.weights = subject.weights(asked.config)
        self.config = processes.from_first(lambda: settle_transfer(asked.config, self.weights))
        refuse_without_effect(self.config, asked.overrides)
        self.network, self.cost = subject.build(self.config, self.weights)
        trains_all = any("all" in stage.train for stage in self.config.transfer.stages)
        told = self.config.trainer
        chosen = choose_hardware(told, accelerator, allocator, self.network.module, self.cost, trains_all)
        self.hardware = processes.from_first(lambda: chosen)
        self.device = torch.device({"gpu": "cuda"}.get(accelerator, accelerator))
        self.plain = self.config.model_dump()
        self.spent = TimeSpent(started)
        self.held = ExitStack()
        self.loggers: list[Logger] = []

    def run(self) -> None:
        """Train, test the best weights, and leave a complete folder behind.

        Raises:
            UserError: The data cannot be used, or the training diverged.
            Interrupted: A signal asked for an end; the folder has what a resume needs.
        """
        self._open_folder()
        status, summary = "failed", None
        try:
            with end_noted(self.folder, self.processes):
                self._open_trackers()
                summary = self._train()
            status = "success"
        except Pruned:
            status = "success"
            raise
        except Interrupted:
            status = "interrupted"
            raise
        finally:
            self.held.close()
            if self.processes.first and summary is None:
                self.spent.count()
                self.folder.write_seconds(self.spent.phases)
            failures = close(self.loggers, status)
            for failure in failures:
                warn(failure)
        if summary is None:
            return
        if failures:
            summary["warnings"] += failures
            write_report(self.folder, summary)
        self.folder.write_summary(summary)
        tested = f"{summary['data']['sizes']['test']:,} {self.subject.things}"
        say(f"\ntest accuracy {summary['metrics']['test']['accuracy']:.4f} on {tested}")
        say_closing(summary, self.folder)

    def _open_folder(self) -> None:
        asked, config, sweep = self.asked, self.config, sweep_path()
        resumed = asked.resumed
        self.folder = RunFolder(
            self.processes.from_first(lambda: resumed.path if resumed else asked.before or run_path(config))
        )
        if self.processes.first:
            # a job's folder is its own, whatever a kill left in it
            self.folder.create(resume=bool(resumed or asked.before or sweep))
            if sweep is None:
                note_folder(config.outputs, asked.words, self.folder.path)
            if resumed is None:
                self._write_config(self.plain)
        self.spent.add_earlier(self.folder.read_seconds())
        self.done = self.processes.from_first(lambda: read_done(self.folder))
        self.marks = logged_before(self.folder) if resumed and self.processes.first else None

    def _open_trackers(self) -> None:
        config, sweep, resumed = self.config, sweep_path(), self.asked.resumed
        self.loggers, self.notices = build_loggers(
            config.logger.names,
            self.folder,
            run_name=self.folder.path.name,
            group=config.group or (sweep.name if sweep else None),
            tags=config.tags,
            config=self.plain,
            marks=self.marks,
            **config.logger.settings(os.path.abspath(config.outputs)),
        )
        self.recorder = Recorder(self.folder, self.loggers)
        if self.processes.first and resumed and resumed.changed:  # only now: a tracker may be one that cannot be had
            self._write_config(resumed.changed)

    def _write_config(self, plain: Mapping[str, Any]) -> None:
        words = mask_text(shlex.join(self.asked.overrides))
        self.folder.write_config(f"# convscope train {words}\n{training.as_yaml(mask(plain))}")

    def _train(self) -> dict[str, Any] | None:
        """All stages and the test; returns the summary, and None in the other processes than the first."""
        self._prepare()
        first = self.processes.first
        insights = self.subject.insights(self.config, self.recorder, self.spent) if first else None
        stages = self._stages([] if insights is None else insights.callbacks)
        stages.run(self.prepared)
        self.spent.begin(TEST)
        trainer = self._test(stages)
        printed = {*self.warnings, *self.maker.warnings}
        later = [warning for warning in self._data_warnings() if warning not in self.warnings]
        for warning in later:
            if warning not in printed:
                warn(warning)
        self.warnings += later
        if not first:
            return None
        self.spent.begin(REST)
        keep_network(self.subject, self.recorder, self.network.module)
        if insights is not None:
            insights.finish()
        look_at_kept(stages.callbacks(), stages.done[-1].best_epoch if stages.done else None)
        summary = summarise(
            self.config, self.asked.overrides, self.subject, self.network, self.cost, stages, trainer, self.folder,
            self.hardware, self.spent, self.warnings,
        )  # fmt: skip
        if insights is not None:
            summary["receptive_field"] = insights.receptive_field
        summary["environment"] = environment() | summary["environment"]
        if self.spent.seconds:
            say(self.spent.said(summary["seconds"]["total"]))
        assert self.task.predictions is not None
        log_results(self.subject, self.recorder, self.data, self.task.predictions, self.folder, summary)
        return summary

    def _prepare(self) -> None:
        """Open the data, plan and cut the stages, and say what is going to happen."""
        config, network, subject, processes = self.config, self.network, self.subject, self.processes
        network.module.to(self.device)
        self.hardware, refused = settle_memory_format(
            self.hardware, config.trainer, network.name, network.module, network.preprocessing
        )
        self.data = subject.data_module(config)
        self.held.callback(self.data.release)
        self.data.channels_last, self.data.cores = self.hardware.channels_last, processes.cores
        self.data.setup()
        refuse_small_splits(self.data.sizes, processes.count)
        if processes.first:
            subject.leave(self.folder)
        if config.trainer.compile:
            network.module.compile()
        told = config.task
        objective = Objective(
            told.label_smoothing,
            self.data.class_weights() if config.data.class_weights == "balanced" else None,
            told.mixup,
            told.cutmix,
            told.flip_averaging,
        )
        self.task = subject.task(network, objective, self.plain["model"])
        self.maker = FeatureMaker(config.cache, cache_folder(config.data.cache_dir), self.data, self.device, processes)
        self.held.callback(self.maker.release)
        self.maker.make_room()
        self.prepared = prepare_stages(config, network, self.maker)
        left_out = confusion_left_out(len(subject.source.classes)) if config.callbacks.figures else None
        own = filter(None, [self.weights.warning, refused, left_out])
        self.warnings = [*own, *self._data_warnings(), *subject.warnings()]
        self._announce()
        if config.callbacks.figures and processes.first and not self.marks:  # else they are there, and in the trackers
            subject.show_samples(self.recorder)

    def _data_warnings(self) -> list[str]:
        """What was wrong with the data and their cache so far, in any of the processes. All must come here."""
        mine = [*self.data.warnings, *self.maker.warnings]
        return list(dict.fromkeys(warning for each in self.processes.each(mine) for warning in each))

    def _warn_once(self, text: str) -> None:
        """Warn on the console and in the summary of what callbacks meet while they work."""
        if text not in self.warnings:
            self.warnings.append(text)
            warn(text)

    def _announce(self) -> None:
        for warning in self.warnings:
            warn(warning)
        weights = self.weights
        say_facts(
            {
                "model": f"{self.network.name}: {self.network.parameters:,} parameters, "
                f"{self.cost / 1e6:,.1f} M multiply-adds, "
                f"{weights.source} weights{f' ({weights.name})' if weights.name else ''}",
                **self.subject.said(),
                "transfer": self.config.transfer.name,
                "hardware": str(self.hardware),
                "folder": str(self.folder.path),
            }
        )
        print_plan(self.prepared, self.network.parameters)
        for notice in self.notices:
            say(notice)

    def _stages(self, callbacks: list[Callback]) -> Stages:
        looking = list(callbacks)
        if self.processes.first:
            looking += self.subject.looks_while_training(self.config, self.recorder, self.spent, self._warn_once)
            if (trial := running_trial()) is not None:
                looking.append(Pruning(trial.metric, self.recorder.position, trial.hopeless))
        return Stages(
            self.config, self.network, self.task, self.data, self.maker, self.folder, self.loggers,
            self.recorder.position, self.hardware, lambda: looking, self.done, self.preemption, self.processes,
            self.spent, self.marks or {},
        )  # fmt: skip

    def _test(self, stages: Stages) -> pl.Trainer:
        """Test the best weights."""
        callbacks: list[Callback] = []
        if self.processes.first:
            training.load_best(self.task, self.folder)
            if self.config.callbacks.figures:
                callbacks.append(self.subject.figures(self.recorder))
            callbacks += self.subject.looks_at_test(self.config, self.recorder, self.spent, self._warn_once)
        self.processes.share(self.task)
        return stages.test(self.prepared[-1], [*training.build_bar(self.config, "test"), *callbacks])


def refuse_small_splits(sizes: Mapping[str, int], processes: int) -> None:
    """Refuse a split that has not an example for each process.

    Raises:
        UserError: One has not.
    """
    for split, size in sizes.items():
        if size < processes:
            raise UserError(f"trainer.devices: {processes} processes cannot share the {size} examples of {split}")
