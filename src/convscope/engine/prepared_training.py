"""A training that is ready to begin: its data are open, its stages are planned, and its user is warned."""

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from convscope.cache import cache_folder
from convscope.callbacks.confusion_figure import confusion_left_out
from convscope.callbacks.time_spent import TimeSpent
from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.texts.text_data_module import TextDataModule
from convscope.distributed.processes import Processes
from convscope.engine.built_training import BuiltTraining
from convscope.engine.features import FeatureExtractor
from convscope.engine.hardware import Hardware, resolve_memory_format
from convscope.engine.objective import build_objective
from convscope.engine.prepared_stages import PreparedStage, prepare_stages
from convscope.engine.run_warnings import RunWarnings
from convscope.errors import UserError
from convscope.modalities.modality import BuiltT, DataT, SourceT
from convscope.modalities.training_observer import TrainingObserver
from convscope.tasks.classification import Classification
from convscope.tracking.recorder import Recorder


@dataclass(frozen=True)
class PreparedTraining:
    """A training that is ready to begin.

    Attributes:
        hardware: The hardware settings, with the memory format that the network can run with.
        data: The data module, set up.
        task: The LightningModule around the network.
        extractor: Extracts features of the data.
        stages: The stages.
        observer: Logs and analyses the training.
    """

    hardware: Hardware
    data: ImageDataModule | TextDataModule
    task: Classification
    extractor: FeatureExtractor
    stages: Sequence[PreparedStage]
    observer: TrainingObserver


def prepare_training(
    training: BuiltTraining[SourceT, BuiltT, DataT],
    processes: Processes,
    recorder: Recorder,
    time_spent: TimeSpent,
    warnings: RunWarnings,
    at_exit: ExitStack,
) -> PreparedTraining:
    """Open the data of a training, and prepare its stages.

    Args:
        training: The training; its network moves to its device.
        processes: Processes that train together.
        recorder: Takes figures, tables and scalars of the training.
        time_spent: Counts the seconds.
        warnings: Takes warnings, now and during the training.
        at_exit: Releases, at the end, what is opened here.

    Raises:
        UserError: The data cannot be used, or a stage selects no parameter.
    """
    config, modality, network = training.config, training.modality, training.built.network
    network.module.to(training.device)
    hardware, format_warning = resolve_memory_format(
        training.hardware, config.trainer, network.name, network.module, network.preprocessing
    )
    data = modality.data_module(config, training.source, training.built)
    at_exit.callback(data.release)
    data.channels_last, data.cores = hardware.channels_last, processes.cores
    data.setup()
    refuse_small_splits(data.sizes, processes.world_size)
    if processes.is_rank_zero:
        modality.save_artifacts(data, recorder.folder)
    if config.trainer.compile:
        network.module.compile()
    description = {
        "model": config.model.model_dump(),
        "classes": list(data.classes),
        "preprocessing": dataclasses.asdict(network.preprocessing),
    }
    task = modality.task_type(
        network.module,
        data.classes,
        build_objective(
            config.task, data.class_weights() if config.data.class_weights == "balanced" else None, len(data.classes)
        ),
        description,
    )
    extractor = FeatureExtractor(config.cache, cache_folder(config.data.cache_dir), data, training.device, processes)
    at_exit.callback(extractor.release)
    extractor.evict()
    stages = prepare_stages(config, modality, network, extractor)
    observer = modality.observer_type(config, training.built, data, recorder, time_spent, warnings.add)
    figure_warning = confusion_left_out(len(data.classes)) if config.callbacks.figures else None
    setup_warnings = filter(None, [training.weights.warning, format_warning, figure_warning])
    for text in [*setup_warnings, *gather_warnings(extractor), *observer.data_warnings()]:
        warnings.add(text)
    return PreparedTraining(hardware, data, task, extractor, stages, observer)


def gather_warnings(extractor: FeatureExtractor) -> list[str]:
    """Return the warnings about data and cache of all processes. A collective call: every process must make it."""
    gathered = extractor.processes.all_gather([*extractor.data.warnings, *extractor.warnings])
    return list(dict.fromkeys(warning for warnings in gathered for warning in warnings))


def refuse_small_splits(sizes: Mapping[str, int], processes: int) -> None:
    """Raise UserError if a split has fewer examples than there are processes.

    Args:
        sizes: Number of examples by split.
        processes: Number of processes.
    """
    for split, size in sizes.items():
        if size < processes:
            raise UserError(f"trainer.devices: {processes} processes cannot share the {size} examples of {split}")
