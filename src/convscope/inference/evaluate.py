"""Score the weights of a run on its own test split, or on other data."""

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from convscope.config.evaluate import EvaluateConfig
from convscope.config.text_data import TextsConfig
from convscope.console import warn
from convscope.engine.prediction_table import prediction_table
from convscope.inference.evaluate_images import load_images_to_score
from convscope.inference.evaluate_texts import load_texts_to_score
from convscope.quiet_lightning import quieten_lightning
from convscope.runs.files import json_ready
from convscope.runs.new_folder import new_folder
from convscope.runs.run_folder import RunFolder


@dataclass(frozen=True)
class Evaluation:
    """The results of an evaluation.

    Attributes:
        size: Number of examples that were scored.
        noun: What the examples are: ``images`` or ``texts``.
        metrics: Metrics by name.
        file: Path of ``evaluation.json``.
        predictions: Path of ``predictions.csv``.
    """

    size: int
    noun: str
    metrics: Mapping[str, float]
    file: Path
    predictions: Path


def evaluate(
    config: EvaluateConfig,
    run_data_config: Mapping[str, Any],
    accelerator: str,
    allocator: str,
    overrides: Sequence[str],
) -> Evaluation:
    """Score a run on a test split, and write ``evaluation.json`` and ``predictions.csv`` to a new folder in the run's.

    Args:
        config: The run and the data to score it on.
        run_data_config: The group ``data`` of the run's own configuration.
        accelerator: ``cpu``, ``gpu`` or ``mps``.
        allocator: ``tuned`` or ``system``.
        overrides: The overrides of the command line.

    Raises:
        UserError: The run has no checkpoint, or the data has a class that the run does not know.
    """
    path = Path(config.run).expanduser()
    if isinstance(config.data, TextsConfig):
        inputs = load_texts_to_score(config, config.data, path, run_data_config, accelerator, allocator)
    else:
        inputs = load_images_to_score(config, config.data, run_data_config, accelerator, allocator)
    task, data, hardware = inputs.task, inputs.data, inputs.hardware
    source, classes = data.source, task.classes
    warnings = [*data.warnings, *inputs.warnings]
    for warning in warnings:
        warn(warning)
    quieten_lightning()
    trainer = pl.Trainer(
        **hardware.trainer_arguments, logger=False, enable_progress_bar=False, enable_model_summary=False
    )
    trainer.test(task, datamodule=data, verbose=False)
    data.release()
    assert task.predictions is not None
    metrics = {name.removeprefix("test/"): float(value) for name, value in trainer.callback_metrics.items()}
    size = data.sizes["test"]
    name = f"{datetime.datetime.now():%Y-%m-%d_%H-%M-%S}_{source.name}"
    folder = new_folder(path / "evaluations", name)
    columns, rows = prediction_table(task.predictions, data.names("test"), classes, inputs.noun.removesuffix("s"))
    predictions = RunFolder(folder).write_table("predictions", columns, rows).rename(folder / "predictions.csv")
    evaluation = folder / "evaluation.json"
    content = {
        "run": str(path.absolute()),
        "checkpoint": config.checkpoint,
        "data": {
            "name": source.name,
            "source": source.source,
            "root": getattr(config.data, "root", None),
            inputs.noun: size,
            "classes": list(source.classes),
        },
        "metrics": metrics,
        "warnings": warnings,
        "precision": hardware.precision,
        "overrides": list(overrides),
    }
    evaluation.write_text(json.dumps(json_ready(content), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return Evaluation(size, inputs.noun, metrics, evaluation, predictions)
