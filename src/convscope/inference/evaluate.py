"""Score the weights of a run on its own test split, or on other data."""

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl

from convscope.composition.trust import trusted_modules
from convscope.config.commands.evaluate import EvaluateConfig
from convscope.console import warn
from convscope.engine.hardware import choose_hardware, resolve_memory_format
from convscope.engine.prediction_table import prediction_table
from convscope.modalities.registry import load_run
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


def evaluate(config: EvaluateConfig, accelerator: str, allocator: str, overrides: Sequence[str]) -> Evaluation:
    """Score a run on a test split, and write ``evaluation.json`` and ``predictions.csv`` to a new folder in the run's.

    Args:
        config: The run, the data to score it on, and the hardware settings.
        accelerator: ``cpu``, ``gpu`` or ``mps``.
        allocator: ``tuned`` or ``system``.
        overrides: The overrides of the command line.

    Raises:
        UserError: The run has no checkpoint, the data has a class that the run does not know, or the run was trained
            on some of the texts.
    """
    path = Path(config.run).expanduser()
    run = load_run(path, config.checkpoint, trusted_modules(config.trust, config.plugins, {}))
    data, task, settings = run.test_data(config.data, f"run={path}"), run.task(), config.trainer
    if settings.precision == "auto" and run.precision is not None:
        settings = settings.model_copy(update={"precision": run.precision})  # the same logits as in the run's own test
    hardware = choose_hardware(settings, accelerator, allocator, run.network, run.multiply_adds(), trains_all=False)
    hardware, warning = resolve_memory_format(
        hardware, settings, run.config["model"]["name"], run.network, run.preprocessing
    )
    data.channels_last = hardware.channels_last
    data.setup("test")
    warnings = [*data.warnings, *([] if warning is None else [warning])]
    for sentence in warnings:
        warn(sentence)
    quieten_lightning()
    trainer = pl.Trainer(
        **hardware.trainer_arguments, logger=False, enable_progress_bar=False, enable_model_summary=False
    )
    trainer.test(task, datamodule=data, verbose=False)
    data.release()
    assert task.predictions is not None
    metrics = {name.removeprefix("test/"): float(value) for name, value in trainer.callback_metrics.items()}
    size = data.sizes["test"]
    name = f"{datetime.datetime.now():%Y-%m-%d_%H-%M-%S}_{data.source.name}"
    folder = new_folder(path / "evaluations", name)
    columns, rows = prediction_table(task.predictions, data.names("test"), run.classes, run.noun.removesuffix("s"))
    predictions = RunFolder(folder).write_table("predictions", columns, rows).rename(folder / "predictions.csv")
    evaluation = folder / "evaluation.json"
    content = {
        "run": str(path.absolute()),
        "checkpoint": config.checkpoint,
        "data": {
            "name": data.source.name,
            "source": data.source.source,
            "root": getattr(config.data, "root", None),
            run.noun: size,
            "classes": list(data.source.classes),
        },
        "metrics": metrics,
        "warnings": warnings,
        "precision": hardware.precision,
        "overrides": list(overrides),
    }
    evaluation.write_text(json.dumps(json_ready(content), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return Evaluation(size, run.noun, metrics, evaluation, predictions)
