"""Content of ``summary.json``: the configuration of a run and its results."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from convscope.callbacks.time_spent import seconds_by_part
from convscope.engine.environment import environment
from convscope.engine.finished_stages import StageResult
from convscope.engine.hardware import Hardware
from convscope.masking import mask_text
from convscope.modalities.training_observer import TrainingObserver
from convscope.runs.metrics_csv import read_metrics
from convscope.runs.run_folder import RunFolder


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """A training whose best weights have just been tested.

    Attributes:
        overrides: The overrides of the command line.
        task_name: Name of the task.
        observer: Has the configuration, the network, the data, the seconds, and the recorder with the run's folder.
        stages: The results of its stages.
        test_metrics: The metrics of the test, by their names.
        receptive_field: The receptive field of the network; None if it could not be traced.
        hardware: The hardware settings.
        warnings: Warnings of the run.
    """

    overrides: Sequence[str]
    task_name: str
    observer: TrainingObserver
    stages: Sequence[StageResult]
    test_metrics: Mapping[str, float]
    receptive_field: Mapping[str, Any] | None
    hardware: Hardware
    warnings: Sequence[str]


def summarise(run: FinishedRun) -> dict[str, Any]:
    """Return the summary of a run."""
    observer, hardware = run.observer, run.hardware
    config, built, data = observer.config, observer.built, observer.data
    network, source, modality_summary = built.network, data.source, observer.summary()
    best_epoch = run.stages[-1].best_epoch if run.stages else None
    return {
        "status": "debug" if config.trainer.fast_dev_run else "completed",
        "task": run.task_name,
        "model": {
            "name": network.name,
            "parameters": network.parameters,
            "multiply_adds": built.multiply_adds,
            "weights": {"source": network.weights.source, "name": network.weights.name},
            **modality_summary["model"],
        },
        "data": {
            "name": source.name,
            "source": source.source,
            "classes": list(source.classes),
            "sizes": data.sizes,
            **modality_summary["data"],
        },
        "transfer": {
            "name": config.transfer.name,
            "stages": [dataclasses.asdict(result) for result in run.stages],
        },
        "metrics": {
            "validation": validation_metrics(observer.recorder.folder, best_epoch),
            "test": _without_prefix("test/", run.test_metrics),
        },
        "best_epoch": best_epoch,
        "best_by": config.callbacks.checkpoint.monitor,
        "receptive_field": run.receptive_field or {"theoretical": None, "effective": None},
        "seconds": seconds_by_part(observer.time_spent, len(run.stages)),
        "environment": environment()
        | {
            "accelerator": hardware.accelerator,
            "precision": run.stages[-1].precision if run.stages else hardware.precision,
            "channels_last": hardware.channels_last,
            "allocator": hardware.allocator,
            "threads": hardware.threads,
            "processes": hardware.processes,
            "nodes": hardware.nodes,
        },
        "seed": config.seed,
        "overrides": [mask_text(override) for override in run.overrides],
        "warnings": [mask_text(warning) for warning in run.warnings],
    }


def validation_metrics(folder: RunFolder, epoch: int | None) -> dict[str, float]:
    """Return the validation metrics of ``epoch``, counted from 1, from ``metrics.csv``; empty if there are none."""
    values: dict[str, float] = {}
    if epoch is None:
        return values
    for row in read_metrics(folder.metrics_file):
        if row.get("epoch") == epoch:
            values |= _without_prefix("validation/", row)
    return values


def _without_prefix(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
    """Return the values whose name begins with ``prefix``, by the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
