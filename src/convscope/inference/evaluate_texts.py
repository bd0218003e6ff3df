"""Loads the texts to score a run on: its own test split, or other texts that it was not trained on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from convscope.cache import cache_folder
from convscope.config.base import required
from convscope.config.evaluate import EvaluateConfig
from convscope.config.text_data import TextDataConfig, TextFilesConfig
from convscope.data.texts.text_data_module import TextDataModule
from convscope.data.texts.text_files import evaluation_texts
from convscope.data.texts.text_leaks import refuse_trained_on
from convscope.data.texts.text_source import TextSource
from convscope.engine.hardware import choose_hardware
from convscope.inference.scored import EvaluationInputs, match_classes
from convscope.insight.parameters import multiply_adds_of
from convscope.modalities.texts.sources import find_texts
from convscope.modalities.texts.trained import load_text_run
from convscope.tasks.text_classification import TextClassification


def load_texts_to_score(
    config: EvaluateConfig,
    data_config: TextDataConfig,
    path: Path,
    run_data_config: Mapping[str, Any],
    accelerator: str,
    allocator: str,
) -> EvaluationInputs:
    """Load the run at ``path`` and the texts of ``data_config``.

    Args:
        config: Names the checkpoint, and has the hardware settings.
        data_config: The texts to score.
        path: The run's folder.
        run_data_config: The group ``data`` of the run's own configuration.
        accelerator: ``cpu``, ``gpu`` or ``mps``.
        allocator: ``tuned`` or ``system``.

    Raises:
        UserError: The texts have a class that the run does not know, or the run was trained on some of them.
    """
    run = load_text_run(path, config.checkpoint)
    source = _test_texts(data_config, run.classes, run_data_config)
    keys = run.folder.read_trained_on()
    if keys is not None:
        source = refuse_trained_on(source, keys, data_config.on_leak, f"run={path}")
    task = TextClassification(run.network, run.classes)
    cost = multiply_adds_of(run.network, (torch.ones(1, max(8, run.preprocessing.min_length), dtype=torch.int64),))
    hardware = choose_hardware(config.trainer, accelerator, allocator, run.network, cost, trains_all=False)
    data = TextDataModule(
        source,
        run.tokenizer,
        run.preprocessing,
        batch_size=data_config.batch_size,
        cache_dir=cache_folder(data_config.cache_dir),
    )
    data.setup("test")
    return EvaluationInputs(task, data, hardware, "texts")


def _test_texts(data_config: TextDataConfig, classes: Sequence[str], trained_on: Mapping[str, Any]) -> TextSource:
    """Return the texts to score, with labels that are indices into ``classes``.

    Of the data that the run was trained on, only the test split is scored. Of other text files, the test table or
    folder is scored, or all texts if there is none.
    """
    is_other_data = (data_config.name, getattr(data_config, "root", None)) != (
        trained_on["name"],
        trained_on.get("root"),
    )
    if isinstance(data_config, TextFilesConfig) and is_other_data:
        root = required(data_config.root, "data.root")
        source = evaluation_texts(root, data_config.text_column, data_config.label_column, data_config.encoding)
    else:
        source = find_texts(data_config)
    return match_classes(source, classes, data_config.name)
