"""Texts to score a run on: its own test split, or others that it was not trained on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from convscope.cache import cache_folder
from convscope.config.base import required
from convscope.config.evaluate import Evaluate
from convscope.config.text_data import TextData, TextFiles
from convscope.data.texts.text_data_module import TextDataModule
from convscope.data.texts.text_files import evaluation_texts
from convscope.data.texts.text_leaks import refuse_trained_on
from convscope.data.texts.text_source import TextSource
from convscope.engine.hardware import choose_hardware
from convscope.inference.scored import Scored, matched
from convscope.insight.parameters import multiply_adds_of
from convscope.modalities.texts.sources import find_texts
from convscope.modalities.texts.trained import load_trained_text
from convscope.tasks.text_classification import TextClassification


def texts_to_score(
    config: Evaluate, told: TextData, path: Path, trained_on: Mapping[str, Any], accelerator: str, allocator: str
) -> Scored:
    """The run at ``path`` and the texts that ``told`` names; ``trained_on`` is the run's own ``data``.

    Raises:
        UserError: The run knows a class less than the texts have, or was trained on some of them.
    """
    run = load_trained_text(path, config.checkpoint)
    source = _test_texts(told, run.classes, trained_on)
    keys = run.folder.read_trained_on()
    if keys is not None:
        source = refuse_trained_on(source, keys, told.on_leak, f"run={path}")
    task = TextClassification(run.network, run.classes)
    cost = multiply_adds_of(run.network, (torch.ones(1, max(8, run.preprocessing.least), dtype=torch.int64),))
    hardware = choose_hardware(config.trainer, accelerator, allocator, run.network, cost, trains_all=False)
    data = TextDataModule(
        source, run.tokens, run.preprocessing, batch_size=told.batch_size, cache_dir=cache_folder(told.cache_dir)
    )
    data.setup("test")
    return Scored(task, data, hardware, "texts")


def _test_texts(told: TextData, classes: Sequence[str], trained_on: Mapping[str, Any]) -> TextSource:
    """The texts to score, their labels as places in ``classes``: of the run's own data, the test split alone."""
    other = (told.name, getattr(told, "root", None)) != (trained_on["name"], trained_on.get("root"))
    if isinstance(told, TextFiles) and other:
        root = required(told.root, "data.root")
        source = evaluation_texts(root, told.text_column, told.label_column, told.encoding)
    else:
        source = find_texts(told)
    return matched(source, classes, told.name)
