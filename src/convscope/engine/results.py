"""Logs the results of a tested training to its folder and its trackers."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.texts.text_data_module import TextDataModule
from convscope.engine.prediction_table import most_confident_mistakes, prediction_table
from convscope.insight.network_copy import copy_network
from convscope.modalities.modality import Modality
from convscope.reports.page import write_report
from convscope.runs.run_folder import RunFolder
from convscope.tasks.classification import Predictions
from convscope.tracking.recorder import Recorder


def log_results(
    modality: Modality,
    recorder: Recorder,
    data: ImageDataModule | TextDataModule,
    predictions: Predictions,
    folder: RunFolder,
    summary: Mapping[str, Any],
) -> None:
    """Log the test predictions, the summary, and the report.

    Args:
        modality: Images or texts.
        recorder: Writes to the run's folder and its trackers.
        data: Gives the names of the test examples.
        predictions: Predictions for the test split.
        folder: The run's folder.
        summary: Content of ``summary.json``.
    """
    columns, rows = prediction_table(
        predictions, data.names("test"), modality.source.classes, modality.noun.removesuffix("s")
    )
    image = modality.test_image_reader()
    recorder.table(
        "predictions", columns, rows, 0, rows_with_image=most_confident_mistakes(predictions),
        image=None if image is None else lambda row: image(int(predictions.indices[row])),
    )  # fmt: skip
    recorder.summary(summary, 0)
    recorder.file(write_report(folder, summary), 0)


def log_network(modality: Modality, recorder: Recorder, network: nn.Module) -> None:
    """Give the network to the recorder if one of its trackers keeps networks.

    Call it right after the test: the tracker exports the network in another process, during the remaining analysis.
    """
    example = modality.example_input()
    if recorder.keeps_models and example is not None:
        recorder.model(standalone_copy(network), example)


def standalone_copy(network: nn.Module) -> nn.Module:
    """Return a copy of ``network`` for use in another program: on the CPU, contiguous, in eval mode."""
    return copy_network(network).to("cpu").to(memory_format=torch.contiguous_format).eval()
