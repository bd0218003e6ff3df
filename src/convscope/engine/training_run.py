"""Runs one training: builds the network, opens the run folder, fits the stages, tests, and writes the results."""

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
from convscope.callbacks.periodic_callback import analyse_best_weights
from convscope.callbacks.preemption import Preemption
from convscope.callbacks.pruning import PruningCallback
from convscope.callbacks.time_spent import REST, TEST, TimeSpent
from convscope.composition.current_job import sweep_path
from convscope.console import echo, print_facts, warn
from convscope.distributed.processes import Processes
from convscope.engine import trainer as training
from convscope.engine.environment import environment
from convscope.engine.features import FeatureExtractor
from convscope.engine.finished_stages import read_finished_stages, read_marks_of_checkpoint
from convscope.engine.hardware import choose_hardware, resolve_memory_format
from convscope.engine.prepared_stages import prepare_stages, print_plan
from convscope.engine.print_summary import print_summary
from convscope.engine.results import log_network, log_results
from convscope.engine.run_request import RunRequest
from convscope.engine.run_status import record_status
from convscope.engine.stages import StageRunner
from convscope.engine.summary import summarise
from convscope.engine.transfer_choice import refuse_shadowed_defaults, resolve_transfer
from convscope.engine.trial import current_reporter
from convscope.errors import Interrupted, Pruned, UserError
from convscope.masking import mask, mask_text
from convscope.modalities.modality import Modality
from convscope.reports.page import write_report
from convscope.runs.naming import run_path
from convscope.runs.requeued import note_folder
from convscope.runs.run_folder import RunFolder
from convscope.tasks.objective import Objective
from convscope.tracking.recorder import Recorder
from convscope.tracking.trackers import build_loggers, close


class TrainingRun:
    """Runs one training. Each process has an instance; only rank 0 writes and prints.

    Args:
        request: The training to run.
        modality: Images or texts.
        accelerator: ``cpu``, ``gpu`` or ``mps``.
        allocator: ``tuned`` or ``system``.
        preemption: Handles the signals that ask the training to stop.
        processes: Processes that train together, started.
        started: When the command began, by ``time.perf_counter``.

    Raises:
        UserError: The weights are missing, the transfer needs trained weights, or an override has no effect.
    """

    def __init__(
        self,
        request: RunRequest,
        modality: Modality,
        accelerator: str,
        allocator: str,
        preemption: Preemption,
        processes: Processes,
        started: float,
    ) -> None:
        self.request, self.modality, self.preemption, self.processes = request, modality, preemption, processes
        pl.seed_everything(request.config.seed, workers=True, verbose=False)
        self.weights = modality.weights(request.config)
        self.config = processes.broadcast_object(lambda: resolve_transfer(request.config, self.weights))
        refuse_shadowed_defaults(self.config, request.overrides)
        self.network, self.multiply_adds = modality.build(self.config, self.weights)
        trains_all = any("all" in stage.train for stage in self.config.transfer.stages)
        settings = self.config.trainer
        chosen = choose_hardware(settings, accelerator, allocator, self.network.module, self.multiply_adds, trains_all)
        self.hardware = processes.broadcast_object(lambda: chosen)
        self.device = torch.device({"gpu": "cuda"}.get(accelerator, accelerator))
        self.config_dict = self.config.model_dump()
        self.time_spent = TimeSpent(started)
        self.at_exit = ExitStack()
        self.loggers: list[Logger] = []

    def run(self) -> None:
        """Train, test the best weights, and leave a complete folder behind.

        Raises:
            UserError: The data cannot be used, or the training diverged.
            Interrupted: A signal stopped the training; the folder has what is needed to resume it.
        """
        self._open_folder()
        status, summary = "failed", None
        try:
            with record_status(self.folder, self.processes):
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
            self.at_exit.close()
            if self.processes.is_rank_zero and summary is None:
                self.time_spent.count()
                self.folder.write_seconds(self.time_spent.phases)
            failures = close(self.loggers, status)
            for failure in failures:
                warn(failure)
        if summary is None:
            return
        if failures:
            summary["warnings"] += failures
            write_report(self.folder, summary)
        self.folder.write_summary(summary)
        tested = f"{summary['data']['sizes']['test']:,} {self.modality.noun}"
        echo(f"\ntest accuracy {summary['metrics']['test']['accuracy']:.4f} on {tested}")
        print_summary(summary, self.folder)

    def _open_folder(self) -> None:
        request, config, sweep = self.request, self.config, sweep_path()
        resumed, requeued = request.resumed, request.requeued_folder
        path = self.processes.broadcast_object(lambda: resumed.path if resumed else requeued or run_path(config))
        self.folder = RunFolder(path)
        if self.processes.is_rank_zero:
            # The folder of a sweep's job belongs to that job alone, also if a killed process left files in it.
            self.folder.create(resume=bool(resumed or requeued or sweep))
            if sweep is None:
                note_folder(config.outputs, request.typed, self.folder.path)
            if resumed is None:
                self._write_config(self.config_dict)
        self.time_spent.add_earlier(self.folder.read_seconds())
        self.finished = self.processes.broadcast_object(lambda: read_finished_stages(self.folder))
        self.marks = read_marks_of_checkpoint(self.folder) if resumed and self.processes.is_rank_zero else None

    def _open_trackers(self) -> None:
        config, sweep, resumed = self.config, sweep_path(), self.request.resumed
        self.loggers, self.notices = build_loggers(
            config.logger.names,
            self.folder,
            run_name=self.folder.path.name,
            group=config.group or (sweep.name if sweep else None),
            tags=config.tags,
            config=self.config_dict,
            marks=self.marks,
            **config.logger.settings(os.path.abspath(config.outputs)),
        )
        self.recorder = Recorder(self.folder, self.loggers)
        if self.processes.is_rank_zero and resumed and resumed.changed:
            # Only now, because a requested tracker may be unusable, which raises.
            self._write_config(resumed.changed)

    def _write_config(self, config: Mapping[str, Any]) -> None:
        overrides = mask_text(shlex.join(self.request.overrides))
        self.folder.write_config(f"# convscope train {overrides}\n{training.as_yaml(mask(config))}")

    def _train(self) -> dict[str, Any] | None:
        """Run all stages and the test; return the summary, or None on ranks other than 0."""
        self._prepare()
        is_rank_zero = self.processes.is_rank_zero
        insights = self.modality.insights(self.config, self.recorder, self.time_spent) if is_rank_zero else None
        stages = self._stages([] if insights is None else insights.callbacks)
        stages.run(self.prepared)
        self.time_spent.begin(TEST)
        trainer = self._test(stages)
        printed = {*self.warnings, *self.extractor.warnings}
        new_warnings = [warning for warning in self._data_warnings() if warning not in self.warnings]
        for warning in new_warnings:
            if warning not in printed:
                warn(warning)
        self.warnings += new_warnings
        if not is_rank_zero:
            return None
        self.time_spent.begin(REST)
        log_network(self.modality, self.recorder, self.network.module)
        if insights is not None:
            insights.finish()
        analyse_best_weights(stages.shared_callbacks, stages.finished[-1].best_epoch if stages.finished else None)
        summary = summarise(
            self.config, self.request.overrides, self.modality, self.network, self.multiply_adds, stages, trainer,
            self.folder, self.hardware, self.time_spent, self.warnings,
        )  # fmt: skip
        if insights is not None:
            summary["receptive_field"] = insights.receptive_field
        summary["environment"] = environment() | summary["environment"]
        if self.time_spent.analysis_seconds:
            echo(self.time_spent.console_summary(summary["seconds"]["total"]))
        assert self.task.predictions is not None
        log_results(self.modality, self.recorder, self.data, self.task.predictions, self.folder, summary)
        return summary

    def _prepare(self) -> None:
        """Open the data, prepare the stages, and print what is going to be trained."""
        config, network, modality, processes = self.config, self.network, self.modality, self.processes
        network.module.to(self.device)
        self.hardware, format_warning = resolve_memory_format(
            self.hardware, config.trainer, network.name, network.module, network.preprocessing
        )
        self.data = modality.data_module(config)
        self.at_exit.callback(self.data.release)
        self.data.channels_last, self.data.cores = self.hardware.channels_last, processes.cores
        self.data.setup()
        refuse_small_splits(self.data.sizes, processes.world_size)
        if processes.is_rank_zero:
            modality.save_artifacts(self.folder)
        if config.trainer.compile:
            network.module.compile()
        task = config.task
        weights = self.data.class_weights() if config.data.class_weights == "balanced" else None
        objective = Objective(task.label_smoothing, weights, task.mixup, task.cutmix, task.flip_averaging)
        self.task = modality.task(network, objective, self.config_dict["model"])
        cache = cache_folder(config.data.cache_dir)
        self.extractor = FeatureExtractor(config.cache, cache, self.data, self.device, processes)
        self.at_exit.callback(self.extractor.release)
        self.extractor.evict()
        self.prepared = prepare_stages(config, network, self.extractor)
        figure_warning = confusion_left_out(len(modality.source.classes)) if config.callbacks.figures else None
        setup_warnings = filter(None, [self.weights.warning, format_warning, figure_warning])
        self.warnings = [*setup_warnings, *self._data_warnings(), *modality.warnings()]
        self._announce()
        if config.callbacks.figures and processes.is_rank_zero and not self.marks:
            # A resumed run has shown them already, in its folder and in its trackers.
            modality.log_samples(self.recorder)

    def _data_warnings(self) -> list[str]:
        """Return the warnings about data and cache of all processes. A collective call: every process must make it."""
        own_warnings = [*self.data.warnings, *self.extractor.warnings]
        gathered = self.processes.all_gather(own_warnings)
        return list(dict.fromkeys(warning for warnings in gathered for warning in warnings))

    def _warn_once(self, text: str) -> None:
        """Add a warning of a callback to the console and the summary, unless it was given before."""
        if text not in self.warnings:
            self.warnings.append(text)
            warn(text)

    def _announce(self) -> None:
        for warning in self.warnings:
            warn(warning)
        weights = self.weights
        print_facts(
            {
                "model": f"{self.network.name}: {self.network.parameters:,} parameters, "
                f"{self.multiply_adds / 1e6:,.1f} M multiply-adds, "
                f"{weights.source} weights{f' ({weights.name})' if weights.name else ''}",
                **self.modality.console_summary(),
                "transfer": self.config.transfer.name,
                "hardware": str(self.hardware),
                "folder": str(self.folder.path),
            }
        )
        print_plan(self.prepared, self.network.parameters)
        for notice in self.notices:
            echo(notice)

    def _stages(self, callbacks: list[Callback]) -> StageRunner:
        stage_callbacks = list(callbacks)
        if self.processes.is_rank_zero:
            stage_callbacks += self.modality.saliency_callbacks(
                self.config, self.recorder, self.time_spent, self._warn_once
            )
            if (trial := current_reporter()) is not None:
                stage_callbacks.append(PruningCallback(trial.metric, self.recorder.position, trial.should_prune))
        return StageRunner(
            self.config, self.task, self.extractor, self.folder, self.loggers, self.recorder.position, self.hardware,
            stage_callbacks, self.finished, self.preemption, self.processes, self.time_spent, self.marks or {},
        )  # fmt: skip

    def _test(self, stages: StageRunner) -> pl.Trainer:
        """Load the best weights and test them; return the trainer that tested."""
        callbacks: list[Callback] = []
        if self.processes.is_rank_zero:
            training.load_best(self.task, self.folder)
            if self.config.callbacks.figures:
                callbacks.append(self.modality.test_figures(self.recorder))
            callbacks += self.modality.analysis_callbacks(self.config, self.recorder, self.time_spent, self._warn_once)
        self.processes.broadcast_module(self.task)
        return stages.test(self.prepared[-1], [*training.build_bar(self.config, "test"), *callbacks])


def refuse_small_splits(sizes: Mapping[str, int], processes: int) -> None:
    """Raise UserError if a split has fewer examples than there are processes.

    Args:
        sizes: Number of examples by split.
        processes: Number of processes.
    """
    for split, size in sizes.items():
        if size < processes:
            raise UserError(f"trainer.devices: {processes} processes cannot share the {size} examples of {split}")
