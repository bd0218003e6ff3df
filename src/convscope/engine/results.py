"""Logs the results of a tested training to its folder and its trackers."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from convscope.engine.prediction_table import most_confident_mistakes, prediction_table
from convscope.insight.network_copy import copy_network
from convscope.modalities.training_observer import TrainingObserver
from convscope.reports.page import write_report
from convscope.tasks.classification import Predictions


def log_results(observer: TrainingObserver, noun: str, predictions: Predictions, summary: Mapping[str, Any]) -> None:
    """Log the test predictions, the summary, and the report.

    Args:
        observer: Has the data, and the recorder that writes to the run's folder and its trackers.
        noun: What an example is called: ``image`` or ``text``.
        predictions: Predictions for the test split.
        summary: Content of ``summary.json``.
    """
    data, recorder = observer.data, observer.recorder
    columns, rows = prediction_table(predictions, data.names("test"), data.classes, noun)
    image = observer.test_image_reader()
    recorder.table(
        "predictions", columns, rows, 0, rows_with_image=most_confident_mistakes(predictions),
        image=None if image is None else lambda row: image(int(predictions.indices[row])),
    )  # fmt: skip
    recorder.summary(summary, 0)
    recorder.file(write_report(recorder.folder, summary), 0)


def log_network(observer: TrainingObserver) -> None:
    """Give the network to the recorder if one of its trackers keeps networks.

    Call it right after the test: the tracker exports the network in another process, during the remaining analysis.
    """
    example = observer.example_input()
    if observer.recorder.keeps_models and example is not None:
        observer.recorder.model(standalone_copy(observer.built.network.module), example)


def standalone_copy(network: nn.Module) -> nn.Module:
    """Return a copy of ``network`` for use in another program: on the CPU, contiguous, in eval mode."""
    return copy_network(network).to("cpu").to(memory_format=torch.contiguous_format).eval()
