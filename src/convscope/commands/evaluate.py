"""``convscope evaluate``: score the best weights of a run on its own test split, or on other data."""

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from convscope.commands.building import cache_dir, open_source, required
from convscope.commands.compose import quoted
from convscope.commands.console import say, warn
from convscope.config.data import ImageData, ImageFolder
from convscope.config.evaluate import Evaluate
from convscope.config.text_data import Texts
from convscope.errors import UserError

if TYPE_CHECKING:
    from convscope.commands.hardware import Hardware
    from convscope.data.image_data_module import ImageDataModule
    from convscope.data.image_source import ImageSource
    from convscope.data.text_data_module import TextDataModule
    from convscope.data.text_source import TextSource
    from convscope.tasks.classification import Classification

S = TypeVar("S", "ImageSource", "TextSource")

SCHEMA = Evaluate


def prepare_arguments(arguments: list[str]) -> list[str]:
    """Without ``data=...`` the data is the run's: its option and keys come first, so that the user's win.

    Raises:
        UserError: ``run`` names no folder of a run.
    """
    if any(argument.split("=")[0] == "data" for argument in arguments):
        return arguments
    runs = [argument.partition("=")[2] for argument in arguments if argument.startswith("run=")]
    if not runs:
        return arguments
    told = _run_config(Path(runs[-1].strip("'\"")).expanduser())["data"]
    keys = [f"data.{key}={value}" for key, value in _leaves(told) if key != "name"]
    return [f"data={told['name']}", *keys, *arguments]


def run(config: Evaluate, overrides: Sequence[str]) -> None:
    """Write ``evaluation.json`` and ``predictions.csv`` to a new folder under the run's, and print both paths.

    Raises:
        UserError: The run has no checkpoint, or the data has a class that the run does not know.
    """
    path = Path(config.run).expanduser()
    trained_on = _run_config(path)["data"]
    file = path / "checkpoints" / f"{config.checkpoint}.ckpt"
    if not file.is_file():
        raise UserError(f"run={path}: has no checkpoint ({file.relative_to(path)}); did its training end?")
    if isinstance(config.data, ImageFolder):
        required(config.data.root, "data.root")
    texts = isinstance(config.data, Texts)
    if texts is not ("tokens" in trained_on):
        kinds = ("texts", "pictures") if texts else ("pictures", "texts")
        raise UserError(f"data={config.data.name}: are {kinds[0]}, and the run was trained on {kinds[1]}")

    from convscope.commands.hardware import prepare_process, refuse_several

    refuse_several(config.trainer)
    accelerator, allocator = prepare_process(config.trainer)

    import pytorch_lightning as pl

    from convscope.commands.predictions import prediction_table
    from convscope.commands.trainer import quieten_lightning
    from convscope.tracking.run_folder import RunFolder, json_ready

    if isinstance(config.data, Texts):
        from convscope.commands.evaluate_text import texts_to_score

        scored = texts_to_score(config, config.data, path, trained_on, accelerator, allocator)
    else:
        scored = _pictures_to_score(config, config.data, trained_on, accelerator, allocator)
    task, data, hardware = scored.task, scored.data, scored.hardware
    source, classes = data.source, task.classes
    warnings = [*data.warnings, *scored.warnings]
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
    folder = _new_folder(path / "evaluations", source.name)
    columns, rows = prediction_table(task.predictions, data.names("test"), classes, scored.things.removesuffix("s"))
    predictions = RunFolder(folder).write_table("predictions", columns, rows).rename(folder / "predictions.csv")
    evaluation = folder / "evaluation.json"
    content = {
        "run": str(path.absolute()),
        "checkpoint": config.checkpoint,
        "data": {
            "name": source.name,
            "source": source.source,
            "root": getattr(config.data, "root", None),
            scored.things: size,
            "classes": list(source.classes),
        },
        "metrics": metrics,
        "warnings": warnings,
        "precision": hardware.precision,
        "overrides": list(overrides),
    }
    evaluation.write_text(json.dumps(json_ready(content), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    scores = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
    say(f"{size:,} {scored.things}: {scores}")
    say(f"evaluation   {evaluation}\npredictions  {predictions}")


@dataclass(frozen=True)
class Scored:
    """What is scored, by what, on what; ``things`` is what the examples are called."""

    task: "Classification"
    data: "ImageDataModule | TextDataModule"
    hardware: "Hardware"
    things: str
    warnings: tuple[str, ...] = ()


def _pictures_to_score(
    config: Evaluate, told: ImageData, trained_on: Mapping[str, Any], accelerator: str, allocator: str
) -> Scored:
    from convscope.commands.hardware import choose_hardware, settle_memory_format
    from convscope.commands.trained import load_trained_run
    from convscope.data.image_data_module import ImageDataModule
    from convscope.insight.parameters import multiply_adds
    from convscope.tasks.classification import Objective
    from convscope.tasks.image_classification import ImageClassification

    run = load_trained_run(config.run, config.checkpoint)
    seen = run.preprocessing
    source = _test_source(told, run.classes, trained_on)
    objective = Objective(flip_averaging=run.config.get("task", {}).get("flip_averaging", False))
    task = ImageClassification(run.network, run.classes, objective)
    cost = multiply_adds(run.network, (1, seen.channels, seen.size, seen.size))
    settings = config.trainer
    if settings.precision == "auto" and run.precision is not None:
        settings = settings.model_copy(update={"precision": run.precision})  # the same answers as in the run's own test
    hardware = choose_hardware(settings, accelerator, allocator, run.network, cost, trains_all=False)
    name = run.config["model"]["name"]
    hardware, refused = settle_memory_format(hardware, settings, name, run.network, seen)
    data = ImageDataModule(
        source,
        seen,
        batch_size=told.batch_size,
        workers=told.workers,
        cache_dir=cache_dir(told),
        on_bad_image=told.on_bad_image,
    )
    data.channels_last = hardware.channels_last
    data.setup("test")
    return Scored(task, data, hardware, "pictures", () if refused is None else (refused,))


def _run_config(path: Path) -> dict[str, Any]:
    file = path / "config.yaml"
    if not file.is_file():
        raise UserError(f"run={path}: no run lies there ({'no config.yaml' if path.is_dir() else 'no such folder'})")
    told = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not isinstance(told, dict) or not isinstance(told.get("data"), dict):
        raise UserError(f"{file}: is no configuration of a run")
    return told


def _test_source(told: ImageData, classes: Sequence[str], trained_on: Mapping[str, Any]) -> "ImageSource":
    """The data to score, its labels as places in ``classes``: of the run's own folder, the test split alone."""
    if isinstance(told, ImageFolder) and (told.name, told.root) != (trained_on["name"], trained_on.get("root")):
        from convscope.data.image_folder import evaluation_folder

        return evaluation_folder(required(told.root, "data.root"), classes)
    source = open_source(told)
    return matched(source, classes, told.name)


def matched(source: S, classes: Sequence[str], data: str) -> S:
    """``source`` with its labels as places in ``classes``, by name.

    Raises:
        UserError: It has others.
    """
    unknown = [name for name in source.classes if name not in classes]
    if unknown:
        raise UserError(
            f"data={data}: has classes that the run does not know ({', '.join(unknown)}); "
            f"the run knows {', '.join(classes)}"
        )
    return source.with_classes(tuple(classes), {name: name for name in source.classes})


def _new_folder(parent: Path, name: str) -> Path:
    now = datetime.datetime.now()
    for number in range(1, 1000):
        folder = parent / f"{now:%Y-%m-%d_%H-%M-%S}_{name}{'' if number == 1 else f'_{number}'}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{parent}: a thousand evaluations began in this second")


def _leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Keys and values of a nested mapping as words of the command line."""
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        elif value is None:
            yield prefix + key, "null"
        elif isinstance(value, bool):
            yield prefix + key, str(value).lower()
        else:
            yield prefix + key, quoted(value) if isinstance(value, str) else repr(value)
