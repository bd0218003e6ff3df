"""``convscope evaluate``: scores the weights of a run on its own test split, or on other data."""

import re
from collections.abc import Sequence
from pathlib import Path

from hydra.core.config_store import ConfigStore

from convscope.composition.trust import refuse_missing_plugins, refuse_unknown_options, trusted_modules
from convscope.config.base import required
from convscope.config.commands.evaluate import EvaluateConfig
from convscope.config.data import ImageFolderConfig
from convscope.config.registry import TARGET
from convscope.config.text_data import TextsConfig
from convscope.console import echo
from convscope.errors import UserError
from convscope.runs.saved_config import read_saved_config, trained_on_texts

SCHEMA = EvaluateConfig
OPTION = re.compile(r"\w[\w.-]*")  # name of an option, and no path
RUN_DATA = "_run"  # an option of the group data; messages list none that begins with _


def prepare_arguments(arguments: list[str]) -> list[str]:
    """Choose the run's own data settings if there is no ``data=...``; the user's overrides still win.

    The saved settings become an option of the group ``data`` that includes the option that the run chose.

    Raises:
        UserError: ``run`` is not the folder of a run.
    """
    if any(argument.split("=")[0] in ("data", f"data.{TARGET}") for argument in arguments):
        return arguments
    runs = [argument.partition("=")[2] for argument in arguments if argument.startswith("run=")]
    if not runs:
        return arguments
    run_folder = Path(runs[-1].strip("'\"")).expanduser()
    saved = read_saved_config(run_folder)
    refuse_missing_plugins(saved, f"run={run_folder}")
    data = saved["data"]
    option = data.get("name")
    if TARGET in data:
        option = "own_texts" if "tokens" in data else "own_images"
    # Hydra would read any file by such a name, or by defaults of the run's own: that of a stranger could name code.
    if not isinstance(option, str) or not OPTION.fullmatch(option) or "defaults" in data:
        raise UserError(f"{run_folder / 'config.yaml'}: is no configuration of a run")
    ConfigStore.instance().store(RUN_DATA, {"defaults": [option, "_self_"], **data}, group="data")
    return [f"data={RUN_DATA}", *arguments]


def run(config: EvaluateConfig, overrides: Sequence[str]) -> None:
    """Write ``evaluation.json`` and ``predictions.csv`` to a new folder in the run's, and print the scores and paths.

    Raises:
        UserError: The run has no checkpoint, or the data has a class that the run was not trained on.
    """
    path = Path(config.run).expanduser()
    saved = read_saved_config(path)
    file = path / "checkpoints" / f"{config.checkpoint}.ckpt"
    if not file.is_file():
        raise UserError(f"run={path}: has no checkpoint ({file.relative_to(path)}); did its training end?")
    trusted = trusted_modules(config.trust, config.plugins, {})
    needed = ("model", "data") if f"data={RUN_DATA}" in overrides else ("model",)
    refuse_unknown_options(saved, f"run={path}", trusted, needed)
    if isinstance(config.data, ImageFolderConfig):
        required(config.data.root, "data.root")
    texts = isinstance(config.data, TextsConfig)
    if texts is not trained_on_texts(saved):
        kinds = ("texts", "images") if texts else ("images", "texts")
        raise UserError(f"data={config.data.name}: are {kinds[0]}, and the run was trained on {kinds[1]}")

    from convscope.engine.hardware import prepare_process, refuse_several_devices

    refuse_several_devices(config.trainer)
    accelerator, allocator = prepare_process(config.trainer)

    from convscope.inference.evaluate import evaluate

    typed = [override for override in overrides if override != f"data={RUN_DATA}"]
    evaluation = evaluate(config, accelerator, allocator, typed)
    scores = ", ".join(f"{name} {value:.4f}" for name, value in evaluation.metrics.items())
    echo(f"{evaluation.size:,} {evaluation.noun}: {scores}")
    echo(f"evaluation   {evaluation.file}\npredictions  {evaluation.predictions}")
