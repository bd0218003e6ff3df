"""Runs the stages of a training one after the other: freeze, cut, extract features, fit."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger

from convscope.callbacks.checkpoints import BEST, LAST, STATE, BestAndLastCheckpoint
from convscope.callbacks.preemption import Preemption
from convscope.callbacks.time_spent import FEATURES, OWN, REST, TimeSpent, TimeSpentWriter, stage_phase
from convscope.config.train import TrainConfig
from convscope.config.transfer import StageConfig
from convscope.console import echo
from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.texts.text_data_module import TextDataModule
from convscope.distributed.processes import Processes
from convscope.engine import trainer as training
from convscope.engine.features import FeatureExtractor
from convscope.engine.finished_stages import StageResult, write_finished_stages
from convscope.engine.hardware import Hardware, choose_hardware
from convscope.engine.prepared_stages import PreparedStage
from convscope.errors import UserError
from convscope.insight.parameters import multiply_adds_of
from convscope.models.images.zoo.network import Network
from convscope.models.texts.network import TextNetwork
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
        network: The network that is trained.
        task: The LightningModule around it.
        data: The data module.
        extractor: Extracts features of the data.
        folder: The run's folder.
        loggers: Lightning loggers: ``metrics.csv`` and the trackers.
        position: Steps and epochs of earlier stages, which the loggers add to those of the current one.
        hardware: Hardware settings of the run as a whole.
        shared_callbacks: Returns callbacks to add to those of the configuration, for each stage.
        finished: Results of the finished stages, also those that an earlier process finished.
        preemption: Handles the signals that ask the training to stop.
        processes: Processes that train together.
        time_spent: Measures the time of each stage.
        marks: How much each tracker had logged at the last checkpoint.
    """

    config: TrainConfig
    network: Network | TextNetwork
    task: Classification
    data: ImageDataModule | TextDataModule
    extractor: FeatureExtractor
    folder: RunFolder
    loggers: Sequence[Logger]
    position: StageOffset
    hardware: Hardware
    shared_callbacks: Callable[[], list[Callback]] = list
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
        for callback in self.shared_callbacks():
            if callback.state_key in states:
                callback.load_state_dict(states[callback.state_key])
        state = states[STATE]
        if state.get("result") is not None and state["stage"] == len(self.finished):
            # The run's total is the sum of the seconds on the disk. Those in the checkpoint were counted later.
            self._add_finished(StageResult(**state["result"] | self._seconds_of_phase(stage_phase(state["stage"]))))

    def _seconds_of_phase(self, phase: str) -> dict[str, float]:
        """Return the seconds of ``phase``, as keyword arguments of `StageResult`."""
        return {
            "seconds": self.time_spent.seconds_of(phase, OWN),
            "seconds_extracting_features": self.time_spent.seconds_of(phase, FEATURES),
            "seconds_insight": self.time_spent.analysis_seconds_of(phase),
        }

    def _add_finished(self, result: StageResult) -> None:
        self.finished.append(result)
        if self.processes.is_rank_zero:
            write_finished_stages(self.folder, self.finished)

    def _run_stage(self, number: int, stage: PreparedStage) -> None:
        stage_config, plan = stage.config, stage.plan
        first_epoch = sum(earlier.epochs for earlier in self.config.transfer.stages[:number])
        resume = self._load_start_weights(number, stage_config)
        self.position.steps = sum(result.steps for result in self.finished)
        self.position.epochs = sum(result.epochs for result in self.finished)
        phase = stage_phase(number)
        self.time_spent.begin(phase)
        self.network.module.to(self.extractor.device)  # the trainer of the previous stage left it on the CPU
        self.data.begin_stage(stage_config.batch_size, stage_config.augmentation, first_epoch)
        self.task.begin_stage(plan, self.config.seed, first_epoch, None if stage.cut is None else stage.cut.rest)
        features, reason = None, stage.why_not_cached
        if stage.cut is not None:
            with self.time_spent.measure(FEATURES):
                features = self.extractor.extract(stage.cut, ("train", "validation"), stage_config.views)
            reason = None if features is not None else "there is no room for the features"
        hardware = self.hardware
        if features is not None and stage.cut is not None:
            self.data.use_features(features)
            hardware = self._hardware_of_rest(stage.cut)
        count = len(self.config.transfer.stages)
        if count > 1:
            echo(f"stage {number + 1}/{count}: {stage_config.name}")
        callbacks = training.build_callbacks(self.config, stage_config, self.position.epochs) + self.shared_callbacks()
        if self.processes.is_rank_zero:
            callbacks.append(TimeSpentWriter(self.time_spent, self.folder))
        checkpoints = None
        if not self.config.trainer.fast_dev_run:
            checkpoint_config = self.config.callbacks.checkpoint
            best, best_epoch = (self.finished[-1].best, self.finished[-1].best_epoch) if self.finished else (None, None)
            checkpoints = BestAndLastCheckpoint(
                self.folder.checkpoints,
                **checkpoint_config.model_dump(),
                stage=number,
                best=best,
                best_epoch=best_epoch,
                first_epoch=self.position.epochs,
                preemption=self.preemption,
                read_marks=self._read_marks,
                result=lambda trainer: asdict(result(trainer)),
            )
            callbacks = [checkpoints.writer, *callbacks, checkpoints]

        def result(trainer: pl.Trainer) -> StageResult:
            self.time_spent.count()
            return StageResult(
                name=stage_config.name,
                epochs=trainer.current_epoch,
                steps=trainer.global_step,
                trainable_parameters=plan.count,
                learning_rate=stage_config.lr,
                cached=features is not None,
                why_not_cached=reason,
                precision=hardware.precision,
                **self._seconds_of_phase(phase),
                best=None if checkpoints is None else checkpoints.best,
                best_epoch=None if checkpoints is None else checkpoints.best_epoch,
            )

        trainer = training.build_trainer(
            self.config, stage_config.epochs, hardware, self.folder, self.loggers, callbacks
        )
        if resume is None:  # a resumed stage logged this when it began
            for logger in self.loggers:
                logger.log_metrics({"stage": number, "epoch": 0}, step=0)
        try:
            trainer.fit(self.task, datamodule=self.data, ckpt_path=resume, weights_only=True)
        except FloatingPointError as error:
            epoch = self.position.epochs + trainer.current_epoch + 1
            raise UserError(
                f"{error} in epoch {epoch}: the training diverged; lower the rate of the stage {stage_config.name}: "
                f"transfer.stages.{number}.lr below {stage_config.lr:g}"
            ) from error
        self.time_spent.begin(REST)  # time between two stages belongs to neither
        if self.processes.is_rank_zero:
            self.folder.write_seconds(self.time_spent.phases)
        self._add_finished(result(trainer))
        self.preemption.stop_deferring()

    def test(self, last: PreparedStage, callbacks: Sequence[Callback]) -> pl.Trainer:
        """Test the weights of the task on the test split, with cached features if the last stage used them.

        Args:
            last: The last stage.
            callbacks: Callbacks of the test.

        Returns:
            The trainer that tested.
        """
        self.position.steps = sum(result.steps for result in self.finished)
        # The testing trainer is in its epoch 0, which the loggers then report as the last epoch of the run.
        self.position.epochs = max(0, sum(result.epochs for result in self.finished) - 1)
        self.data.begin_stage(last.config.batch_size, last.config.augmentation, 0)
        hardware = self.hardware
        self.network.module.to(self.extractor.device)
        self.task.begin_stage(last.plan, self.config.seed, 0, None if last.cut is None else last.cut.rest)
        self.task.eval()
        flips = self.config.task.flip_averaging  # features cannot be mirrored
        if last.cut is not None and self.finished and self.finished[-1].cached and not flips:
            with self.time_spent.measure(FEATURES):
                features = self.extractor.extract(last.cut, ("test",), 1)
            if features is not None:
                self.data.use_features(features)
                hardware = self._hardware_of_rest(last.cut)
        trainer = training.build_trainer(
            self.config, last.config.epochs, hardware, self.folder, self.loggers, list(callbacks)
        )
        trainer.test(self.task, datamodule=self.data, verbose=False)
        return trainer

    def _read_marks(self) -> dict[str, Any]:
        self.marks = read_marks(self.loggers, self.marks)
        return self.marks

    def _load_start_weights(self, number: int, stage: StageConfig) -> str | None:
        """Load the weights that the stage begins with; return the checkpoint to resume from, if any."""
        resume = self.processes.broadcast_object(lambda: self._load(number, stage))
        self.processes.broadcast_module(self.task)
        return resume

    def _load(self, number: int, stage: StageConfig) -> str | None:
        last = self.folder.checkpoints / LAST
        checkpoint = open_checkpoint(self.folder.checkpoints / LAST) if last.is_file() else None
        within_stage = checkpoint is not None and checkpoint["callbacks"][STATE]["stage"] == number
        if checkpoint is not None and (within_stage or (number > 0 and stage.start_from == "last")):
            self.task.load_state_dict(checkpoint["state_dict"])
        elif number > 0 and stage.start_from == "best" and (self.folder.checkpoints / BEST).is_file():
            self.task.load_state_dict(open_checkpoint(self.folder.checkpoints / BEST)["state_dict"])
        return str(last) if within_stage else None

    def _hardware_of_rest(self, stage_cut: Cut) -> Hardware:
        """Return the hardware settings that suit the trained part of the network, which may be small."""
        features = stage_cut.prefix(self.extractor.sample())
        rest = stage_cut.rest.module
        cost = multiply_adds_of(rest, tuple(feature[:1] for feature in features))
        config, current = self.config.trainer, self.hardware
        chosen = choose_hardware(config, current.accelerator, current.allocator, rest, cost, trains_all=True)
        return self.processes.broadcast_object(lambda: chosen)
