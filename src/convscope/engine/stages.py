"""The stages of a training, one after the other: freeze, cut, read features, fit."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger

from convscope.callbacks.checkpoints import BEST, LAST, STATE, Checkpoints
from convscope.callbacks.preemption import Preemption
from convscope.callbacks.time_spent import FEATURES, OWN, REST, TimeSpent, TimeSpentWriter, stage_phase
from convscope.config.train import TrainConfig
from convscope.config.transfer import StageConfig as Told
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
from convscope.runs.position import Position
from convscope.runs.run_folder import RunFolder
from convscope.tasks.classification import Classification
from convscope.tracking.trackers import read_marks
from convscope.transfer.cut import Cut


@dataclass
class Stages:
    """Runs the stages of one training.

    Attributes:
        config: The configuration.
        network: What is trained.
        task: The LightningModule around it.
        data: Its images.
        maker: Makes features of them.
        folder: The run's.
        loggers: The trackers.
        position: What the loggers count from.
        hardware: Of the training as a whole.
        callbacks: Beside those of the configuration.
        done: The stages that are finished, by an earlier process too.
        preemption: Signals that ask for an end.
        processes: Those that train together.
        spent: Counts the time of each stage.
        marks: How much was logged at the last checkpoint, by tracker.
    """

    config: TrainConfig
    network: Network | TextNetwork
    task: Classification
    data: ImageDataModule | TextDataModule
    extractor: FeatureExtractor
    folder: RunFolder
    loggers: Sequence[Logger]
    position: Position
    hardware: Hardware
    callbacks: Callable[[], list[Callback]] = list
    finished: list[StageResult] = field(default_factory=list)
    preemption: Preemption = field(default_factory=Preemption)
    processes: Processes = field(default_factory=Processes)
    time_spent: TimeSpent = field(default_factory=TimeSpent)
    marks: dict[str, Any] = field(default_factory=dict)

    def run(self, prepared: Sequence[PreparedStage]) -> None:
        """Run the stages that are not done yet; the first of them from ``last.ckpt``, where that belongs to it.

        Raises:
            UserError: The loss is no longer finite.
            Interrupted: A signal asked for an end.
        """
        last = self.processes.broadcast_object(self._last_state)
        if last is not None:
            self._restore(last)
        for number in range(len(self.finished), len(prepared)):
            self._run(number, prepared[number])

    def _last_state(self) -> dict[str, Any] | None:
        """What the callbacks kept in ``last.ckpt``; None where there is none."""
        if not (self.folder.checkpoints / LAST).is_file():
            return None
        states: dict[str, Any] = open_checkpoint(self.folder.checkpoints / LAST)["callbacks"]
        return states

    def _restore(self, states: dict[str, Any]) -> None:
        """Give the callbacks of all stages what they had, and note the stage that was finished, but not noted so."""
        for callback in self.callbacks():
            if callback.state_key in states:
                callback.load_state_dict(states[callback.state_key])
        state = states[STATE]
        if state.get("result") is not None and state["stage"] == len(self.finished):
            # The seconds on the disk are what the run's total is made of; those in the checkpoint were counted after.
            self._note(StageResult(**state["result"] | self._seconds(stage_phase(state["stage"]))))

    def _seconds(self, phase: str) -> dict[str, float]:
        """The times of a `StageResult`."""
        return {
            "seconds": self.time_spent.seconds_of(phase, OWN),
            "seconds_extracting_features": self.time_spent.seconds_of(phase, FEATURES),
            "seconds_insight": self.time_spent.insight(phase),
        }

    def _note(self, result: StageResult) -> None:
        self.finished.append(result)
        if self.processes.is_rank_zero:
            write_finished_stages(self.folder, self.finished)

    def _run(self, number: int, stage: PreparedStage) -> None:
        told, plan = stage.config, stage.plan
        first_epoch = sum(earlier.epochs for earlier in self.config.transfer.stages[:number])
        resume = self._begin_with(number, told)
        self.position.steps = sum(result.steps for result in self.finished)
        self.position.epochs = sum(result.epochs for result in self.finished)
        phase = stage_phase(number)
        self.time_spent.begin(phase)
        self.network.module.to(self.extractor.device)  # a trainer that ends leaves it on the CPU
        self.data.begin_stage(told.batch_size, told.augmentation, first_epoch)
        self.task.begin(plan, self.config.seed, first_epoch, None if stage.cut is None else stage.cut.rest)
        features, reason = None, stage.why_not_cached
        if stage.cut is not None:
            with self.time_spent.measure(FEATURES):
                features = self.extractor.features(stage.cut, ("train", "validation"), told.views)
            reason = None if features is not None else "there is no room for the features"
        hardware = self.hardware
        if features is not None and stage.cut is not None:
            self.data.serve(features)
            hardware = self._hardware_of_rest(stage.cut)
        count = len(self.config.transfer.stages)
        if count > 1:
            echo(f"stage {number + 1}/{count}: {told.name}")
        callbacks = training.build_callbacks(self.config, told, self.position.epochs) + self.callbacks()
        if self.processes.is_rank_zero:
            callbacks.append(TimeSpentWriter(self.time_spent, self.folder))
        checkpoints = None
        if not self.config.trainer.fast_dev_run:
            keep = self.config.callbacks.checkpoint
            best, best_epoch = (self.finished[-1].best, self.finished[-1].best_epoch) if self.finished else (None, None)
            checkpoints = Checkpoints(
                self.folder.checkpoints,
                **keep.model_dump(),
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
                name=told.name,
                epochs=trainer.current_epoch,
                steps=trainer.global_step,
                trainable_parameters=plan.count,
                learning_rate=told.lr,
                cached=features is not None,
                why_not_cached=reason,
                precision=hardware.precision,
                **self._seconds(phase),
                best=None if checkpoints is None else checkpoints.best,
                best_epoch=None if checkpoints is None else checkpoints.best_epoch,
            )

        trainer = training.build_trainer(self.config, told.epochs, hardware, self.folder, self.loggers, callbacks)
        if resume is None:  # else it was told when the stage began
            for logger in self.loggers:
                logger.log_metrics({"stage": number, "epoch": 0}, step=0)
        try:
            trainer.fit(self.task, datamodule=self.data, ckpt_path=resume, weights_only=True)
        except FloatingPointError as error:
            epoch = self.position.epochs + trainer.current_epoch + 1
            raise UserError(
                f"{error} in epoch {epoch}: it diverged; lower the rate of the stage {told.name}: "
                f"transfer.stages.{number}.lr={told.lr:g}"
            ) from error
        self.time_spent.begin(REST)  # what comes between two stages is no longer the stage's
        if self.processes.is_rank_zero:
            self.folder.write_seconds(self.time_spent.phases)
        self._note(result(trainer))
        self.preemption.stop_deferring()

    def test(self, last: PreparedStage, callbacks: Sequence[Callback]) -> pl.Trainer:
        """Test the task's weights; through the last stage's cut, where it has one. Returns the trainer."""
        self.position.steps = sum(result.steps for result in self.finished)
        # A trainer that tests is in its epoch 0: what it logs counts as of the last one.
        self.position.epochs = max(0, sum(result.epochs for result in self.finished) - 1)
        self.data.begin_stage(last.config.batch_size, last.config.augmentation, 0)
        hardware = self.hardware
        self.network.module.to(self.extractor.device)
        self.task.begin(last.plan, self.config.seed, 0, None if last.cut is None else last.cut.rest)
        self.task.eval()
        mirrored = self.config.task.flip_averaging  # features cannot be mirrored
        if last.cut is not None and self.finished and self.finished[-1].cached and not mirrored:
            with self.time_spent.measure(FEATURES):
                features = self.extractor.features(last.cut, ("test",), 1)
            if features is not None:
                self.data.serve(features)
                hardware = self._hardware_of_rest(last.cut)
        trainer = training.build_trainer(
            self.config, last.config.epochs, hardware, self.folder, self.loggers, list(callbacks)
        )
        trainer.test(self.task, datamodule=self.data, verbose=False)
        return trainer

    def _read_marks(self) -> dict[str, Any]:
        self.marks = read_marks(self.loggers, self.marks)
        return self.marks

    def _begin_with(self, number: int, stage: Told) -> str | None:
        """Give the task the weights that the stage begins with; returns the checkpoint to go on from, if any."""
        resume = self.processes.broadcast_object(lambda: self._load(number, stage))
        self.processes.broadcast_module(self.task)
        return resume

    def _load(self, number: int, stage: Told) -> str | None:
        last = self.folder.checkpoints / LAST
        checkpoint = open_checkpoint(self.folder.checkpoints / LAST) if last.is_file() else None
        inside = checkpoint is not None and checkpoint["callbacks"][STATE]["stage"] == number
        if checkpoint is not None and (inside or (number > 0 and stage.start_from == "last")):
            self.task.load_state_dict(checkpoint["state_dict"])
        elif number > 0 and stage.start_from == "best" and (self.folder.checkpoints / BEST).is_file():
            self.task.load_state_dict(open_checkpoint(self.folder.checkpoints / BEST)["state_dict"])
        return str(last) if inside else None

    def _hardware_of_rest(self, parts: Cut) -> Hardware:
        """What suits the part that is trained, which may be a small one."""
        features = parts.prefix(self.extractor.sample())
        rest = parts.rest.module
        cost = multiply_adds_of(rest, tuple(feature[:1] for feature in features))
        told, whole = self.config.trainer, self.hardware
        chosen = choose_hardware(told, whole.accelerator, whole.allocator, rest, cost, trains_all=True)
        return self.processes.broadcast_object(lambda: chosen)
