"""What a training leaves in its folder and hands to its trackers once it is tested."""

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
    answers: Predictions,
    folder: RunFolder,
    summary: Mapping[str, Any],
) -> None:
    """Log the predictions of the test, the summary, and the report."""
    columns, rows = prediction_table(
        answers, data.names("test"), modality.source.classes, modality.noun.removesuffix("s")
    )
    image = modality.test_image()
    recorder.table(
        "predictions", columns, rows, 0, rows_with_image=most_confident_mistakes(answers),
        image=None if image is None else lambda row: image(int(answers.indices[row])),
    )  # fmt: skip
    recorder.summary(summary, 0)
    recorder.file(write_report(folder, summary), 0)


def log_network(modality: Modality, recorder: Recorder, network: nn.Module) -> None:
    """Hand the network to a tracker that keeps networks: its export takes as long as what is left here."""
    example = modality.example_input()
    if recorder.keeps_models and example is not None:
        recorder.model(standalone_copy(network), example)


def standalone_copy(network: nn.Module) -> nn.Module:
    """A copy of ``network`` as another program would run it: on the CPU, in eval mode."""
    return copy_network(network).to("cpu").to(memory_format=torch.contiguous_format).eval()
