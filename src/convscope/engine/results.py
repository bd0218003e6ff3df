"""What a training leaves in its folder and hands to its trackers once it is tested."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.texts.text_data_module import TextDataModule
from convscope.engine.prediction_table import prediction_table, surest_mistakes
from convscope.insight.network_copy import copied
from convscope.modalities.modality import Subject
from convscope.reports.page import write_report
from convscope.runs.run_folder import RunFolder
from convscope.tasks.classification import Predictions
from convscope.tracking.recorder import Recorder


def log_results(
    subject: Subject,
    recorder: Recorder,
    data: ImageDataModule | TextDataModule,
    answers: Predictions,
    folder: RunFolder,
    summary: Mapping[str, Any],
) -> None:
    """Log the predictions of the test, the summary, and the report."""
    columns, rows = prediction_table(
        answers, data.names("test"), subject.source.classes, subject.things.removesuffix("s")
    )
    picture = subject.test_picture()
    recorder.table(
        "predictions", columns, rows, 0, pictured=surest_mistakes(answers),
        picture=None if picture is None else lambda row: picture(int(answers.indices[row])),
    )  # fmt: skip
    recorder.summary(summary, 0)
    recorder.file(write_report(folder, summary), 0)


def keep_network(subject: Subject, recorder: Recorder, network: nn.Module) -> None:
    """Hand the network to a tracker that keeps networks: its export takes as long as what is left here."""
    example = subject.example()
    if recorder.keeps_models and example is not None:
        recorder.model(standing_alone(network), example)


def standing_alone(network: nn.Module) -> nn.Module:
    """A copy of ``network`` as another program would run it: on the CPU, in eval mode."""
    return copied(network).to("cpu").to(memory_format=torch.contiguous_format).eval()
