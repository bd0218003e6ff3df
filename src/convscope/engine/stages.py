"""Runs the stages of a training one after the other: freeze, cut, extract features, fit."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger

from convscope.callbacks.checkpoints import LAST, STATE, BestAndLastCheckpoint
from convscope.callbacks.preemption import Preemption
from convscope.callbacks.time_spent import FEATURES, REST, TimeSpent, TimeSpentWriter, stage_phase
from convscope.config.train import TrainConfig
from convscope.config.transfer import StageConfig
from convscope.console import echo
from convscope.distributed.processes import Processes
from convscope.engine import trainer as training
from convscope.engine.features import FeatureExtractor
from convscope.engine.finished_stages import StageResult, seconds_of_stage, write_finished_stages
from convscope.engine.hardware import Hardware, choose_hardware
from convscope.engine.prepared_stages import PreparedStage
from convscope.engine.running_stage import RunningStage
from convscope.engine.start_weights import load_start_weights
from convscope.errors import UserError
from convscope.insight.parameters import multiply_adds_of
from convscope.runs.checkpoint import open_checkpoint
from convscope.runs.position import StageOffset
from convscope.runs.run_folder import RunFolder
from convscope.tasks.classification import Classification
from convscope.tracking.trackers import read_marks
from convscope.transfer.cut import Cut


@dataclass
class StageRunner:
    """Runs the stages of one training.

    Attributes:
        config: The configuration of the run.
        task: The LightningModule to train.
        extractor: Extracts features of the data module's inputs.
        folder: The run's folder.
        loggers: Lightning loggers: ``metrics.csv`` and the trackers.
        position: Steps and epochs of earlier stages, which the loggers add to those of the current one.
        hardware: Hardware settings of the run as a whole.
        shared_callbacks: Callbacks of every stage, besides those of the configuration.
        finished: Results of the finished stages, also those that an earlier process finished.
        preemption: Handles the signals that ask the training to stop.
        processes: Processes that train together.
        time_spent: Measures the time of each stage.
        marks: How much each tracker had logged at the last checkpoint.
    """

    config: TrainConfig
    task: Classification
    extractor: FeatureExtractor
    folder: RunFolder
    loggers: Sequence[Logger]
    position: StageOffset
    hardware: Hardware
    shared_callbacks: Sequence[Callback] = ()
    finished: list[StageResult] = field(default_factory=list)
    preemption: Preemption = field(default_factory=Preemption)
    processes: Processes = field(default_factory=Processes)
    time_spent: TimeSpent = field(default_factory=TimeSpent)
    marks: dict[str, Any] = field(default_factory=dict)

    def run(self, prepared: Sequence[PreparedStage]) -> None:
        """Run the stages that are not finished yet. The first of them resumes from ``last.ckpt`` if that is its own.

        Raises:
            UserError: The loss is no longer finite.
            Interrupted: A signal stopped the training.
        """
        last = self.processes.broadcast_object(self._last_callback_states)
        if last is not None:
            self._restore(last)
        for number in range(len(self.finished), len(prepared)):
            self._run_stage(number, prepared[number])

    def _last_callback_states(self) -> dict[str, Any] | None:
        """Return the states of the callbacks in ``last.ckpt``; None if there is no such checkpoint."""
        if not (self.folder.checkpoints / LAST).is_file():
            return None
        states: dict[str, Any] = open_checkpoint(self.folder.checkpoints / LAST)["callbacks"]
        return states

    def _restore(self, states: dict[str, Any]) -> None:
        """Restore the states of the callbacks that all stages share.

        Also add the stage that the checkpoint records as finished if ``stages.json`` lacks it.
        """
        for callback in self.shared_callbacks:
            if callback.state_key in states:
                callback.load_state_dict(states[callback.state_key])
        state = states[STATE]
        if state.get("result") is not None and state["stage"] == len(self.finished):
            # The run's total is the sum of the seconds on the disk. Those in the checkpoint were counted later.
            self._add_finished(StageResult(**state["result"] | seconds_of_stage(self.time_spent, state["stage"])))

    def _add_finished(self, result: StageResult) -> None:
        self.finished.append(result)
        if self.processes.is_rank_zero:
            write_finished_stages(self.folder, self.finished)

    def _run_stage(self, number: int, prepared: PreparedStage) -> None:
        """Train a stage from its start weights, or from its checkpoint, to its end, and record its result."""
        stage = prepared.plan.stage
        resume = load_start_weights(self.task, self.folder, number, stage.start_from, self.processes)
        self.time_spent.begin(stage_phase(number))
        self._set_up(prepared, first_epoch=sum(earlier.epochs for earlier in self.config.transfer.stages[:number]))
        rest_hardware = self._use_features(prepared.cut, ("train", "validation"), stage.views)
        running = RunningStage(number, prepared, rest_hardware or self.hardware, cached=rest_hardware is not None)
        count = len(self.config.transfer.stages)
        if count > 1:
            echo(f"stage {number + 1}/{count}: {stage.name}")
        trainer = self._build_trainer(stage, running.hardware, self._callbacks(running))
        self._fit(running, trainer, resume)
        self._add_finished(running.result(trainer, self.time_spent))
        self.preemption.stop_deferring()

    def _set_up(self, prepared: PreparedStage, first_epoch: int) -> None:
        """Set the position of the loggers, the task and the data module up for a stage.

        Args:
            prepared: The stage.
            first_epoch: Number of epochs of the earlier stages, if none of them ended early.
        """
        stage, cut = prepared.plan.stage, prepared.cut
        self.position.steps = sum(result.steps for result in self.finished)
        self.position.epochs = sum(result.epochs for result in self.finished)
        self.task.network.to(self.extractor.device)  # the trainer of the previous stage left it on the CPU
        self.extractor.data.begin_stage(stage.batch_size, prepared.augmentation, first_epoch)
        self.task.begin_stage(prepared.plan, self.config.seed, first_epoch, None if cut is None else cut.rest)

    def _use_features(self, cut: Cut | None, splits: Iterable[str], views: int) -> Hardware | None:
        """Replace the inputs of ``splits`` by features, if the network is cut and there is room for them.

        Returns:
            The hardware settings that suit the rest of the network, which may be small; None if there are no features.
        """
        if cut is None:
            return None
        with self.time_spent.measure(FEATURES):
            features = self.extractor.extract(cut, splits, views)
        if features is None:
            return None
        self.extractor.data.use_features(features)
        rest, inputs = cut.rest.module, cut.prefix(self.extractor.sample())
        cost = multiply_adds_of(rest, tuple(feature[:1] for feature in inputs))
        config, current = self.config.trainer, self.hardware
        chosen = choose_hardware(config, current.accelerator, current.allocator, rest, cost, trains_all=True)
        return self.processes.broadcast_object(lambda: chosen)

    def _callbacks(self, running: RunningStage) -> list[Callback]:
        stage = running.prepared.plan.stage
        callbacks = [*training.build_callbacks(self.config, stage, self.position.epochs), *self.shared_callbacks]
        if self.processes.is_rank_zero:
            callbacks.append(TimeSpentWriter(self.time_spent, self.folder))
        if self.config.trainer.fast_dev_run:
            return callbacks
        checkpoints = self._checkpoints(running)
        return [checkpoints.writer, *callbacks, checkpoints]

    def _checkpoints(self, running: RunningStage) -> BestAndLastCheckpoint:
        earlier = self.finished[-1] if self.finished else None
        return BestAndLastCheckpoint(
            self.folder.checkpoints,
            **self.config.callbacks.checkpoint.model_dump(),
            stage=running.number,
            best=None if earlier is None else earlier.best,
            best_epoch=None if earlier is None else earlier.best_epoch,
            first_epoch=self.position.epochs,
            preemption=self.preemption,
            read_marks=self._read_marks,
            result=lambda trainer: asdict(running.result(trainer, self.time_spent)),
        )

    def _build_trainer(self, stage: StageConfig, hardware: Hardware, callbacks: Sequence[Callback]) -> pl.Trainer:
        return training.build_trainer(self.config, stage.epochs, hardware, self.folder, self.loggers, list(callbacks))

    def _fit(self, running: RunningStage, trainer: pl.Trainer, resume: str | None) -> None:
        """Fit the stage, from the checkpoint ``resume`` on if it is not None."""
        number, stage = running.number, running.prepared.plan.stage
        if resume is None:  # a resumed stage logged this when it began
            for logger in self.loggers:
                logger.log_metrics({"stage": number, "epoch": 0}, step=0)
        try:
            trainer.fit(self.task, datamodule=self.extractor.data, ckpt_path=resume, weights_only=True)
        except FloatingPointError as error:
            epoch = self.position.epochs + trainer.current_epoch + 1
            raise UserError(
                f"{error} in epoch {epoch}: the training diverged; lower the rate of the stage {stage.name}: "
                f"transfer.stages.{number}.lr below {stage.lr:g}"
            ) from error
        self.time_spent.begin(REST)  # time between two stages belongs to neither
        if self.processes.is_rank_zero:
            self.folder.write_seconds(self.time_spent.phases)

    def test(self, last: PreparedStage, callbacks: Sequence[Callback]) -> pl.Trainer:
        """Test the weights of the task on the test split, with cached features if the last stage used them.

        Args:
            last: The last stage.
            callbacks: Callbacks of the test.

        Returns:
            The trainer that tested.
        """
        self._set_up(last, first_epoch=0)
        # The testing trainer is in its epoch 0, which the loggers then report as the last epoch of the run.
        self.position.epochs = max(0, self.position.epochs - 1)
        self.task.eval()
        flips = self.config.task.flip_averaging  # features cannot be mirrored
        cut = last.cut if self.finished and self.finished[-1].cached and not flips else None
        rest_hardware = self._use_features(cut, ("test",), views=1)
        trainer = self._build_trainer(last.plan.stage, rest_hardware or self.hardware, callbacks)
        trainer.test(self.task, datamodule=self.extractor.data, verbose=False)
        return trainer

    def _read_marks(self) -> dict[str, Any]:
        self.marks = read_marks(self.loggers, self.marks)
        return self.marks
