"""Content of ``summary.json``: the configuration of a run and its results."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl

from convscope.callbacks.time_spent import TimeSpent, seconds_by_part
from convscope.config.train import TrainConfig
from convscope.engine.hardware import Hardware
from convscope.engine.stages import StageRunner
from convscope.masking import mask_text
from convscope.modalities.modality import Modality
from convscope.models.images.zoo.network import Network
from convscope.models.texts.network import TextNetwork
from convscope.runs.metrics_csv import read_metrics
from convscope.runs.run_folder import RunFolder


def summarise(
    config: TrainConfig,
    overrides: Sequence[str],
    modality: Modality,
    network: Network | TextNetwork,
    multiply_adds: int,
    stages: StageRunner,
    trainer: pl.Trainer,
    folder: RunFolder,
    hardware: Hardware,
    time_spent: TimeSpent,
    warnings: Sequence[str],
) -> dict[str, Any]:
    """Return the summary of a run whose best weights have just been tested.

    Args:
        config: The configuration of the run.
        overrides: The overrides of the command line.
        modality: Images or texts.
        network: The network.
        multiply_adds: Its multiply-adds for one input.
        stages: The stages, finished.
        trainer: The trainer that tested, which has the test metrics.
        folder: The run's folder.
        hardware: The hardware settings.
        time_spent: Seconds of the run by phase.
        warnings: Warnings of the run.
    """
    transfer, source, modality_summary = config.transfer, modality.source, modality.summary()
    best_epoch = stages.finished[-1].best_epoch if stages.finished else None
    test = _without_prefix("test/", {name: float(value) for name, value in trainer.callback_metrics.items()})
    return {
        "status": "debug" if config.trainer.fast_dev_run else "completed",
        "task": modality.task_name,
        "model": {
            "name": network.name,
            "parameters": network.parameters,
            "multiply_adds": multiply_adds,
            "weights": {"source": network.weights.source, "name": network.weights.name},
            **modality_summary["model"],
        },
        "data": {
            "name": source.name,
            "source": source.source,
            "classes": list(source.classes),
            "sizes": stages.extractor.data.sizes,
            **modality_summary["data"],
        },
        "transfer": {
            "name": transfer.name,
            "stages": [dataclasses.asdict(result) for result in stages.finished],
        },
        "metrics": {"validation": validation_metrics(folder, best_epoch), "test": test},
        "best_epoch": best_epoch,
        "best_by": config.callbacks.checkpoint.monitor,
        "receptive_field": {"theoretical": None, "effective": None},
        "seconds": seconds_by_part(time_spent, len(stages.finished)),
        "environment": {
            "accelerator": hardware.accelerator,
            "precision": stages.finished[-1].precision if stages.finished else hardware.precision,
            "channels_last": hardware.channels_last,
            "allocator": hardware.allocator,
            "threads": hardware.threads,
            "processes": hardware.processes,
            "nodes": hardware.nodes,
        },
        "seed": config.seed,
        "overrides": [mask_text(override) for override in overrides],
        "warnings": [mask_text(warning) for warning in warnings],
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
