"""The test as figures: confusion matrix, worst mistakes, most confident correct predictions."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from convscope.callbacks.confusion_figure import draw_confusion_matrix
from convscope.figures.contact_sheet import GREEN, RED
from convscope.tracking.recorder import Recorder

MAX_IMAGES = 12


class ImageFigures(Callback):
    """Draws the results of a test, to the run's folder and to every tracker that is on.

    Args:
        recorder: Takes the figures.
        image: Returns the test image at an index, (H, W, C) uint8.
    """

    __test__ = False  # for pytest

    def __init__(self, recorder: Recorder, image: Callable[[int], np.ndarray]) -> None:
        self.recorder = recorder
        self.image = image

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw ``confusion_matrix``, ``mistakes/worst`` and ``mistakes/most_confident``."""
        step = trainer.global_step
        task = cast(Any, pl_module)
        logits, labels, indices = task.predictions.logits, task.predictions.labels, task.predictions.indices
        classes = task.classes
        probabilities = logits.softmax(dim=1)
        confidence, predicted = probabilities.max(dim=1)
        draw_confusion_matrix(self.recorder, labels, predicted, classes, step)
        wrong = predicted != labels
        for name, heading, chosen in (
            ("mistakes/worst", "Most confident mistakes: true → predicted", wrong),
            ("mistakes/most_confident", "Most confident and correct", ~wrong),
        ):
            shown = torch.nonzero(chosen).flatten()
            if len(shown) == 0:
                continue
            shown = shown[confidence[shown].argsort(descending=True, stable=True)][:MAX_IMAGES]
            titles = [
                f"{classes[labels[p]]}\n→ {classes[predicted[p]]} {confidence[p]:.0%}"
                if wrong[p]
                else f"{classes[predicted[p]]}\n{confidence[p]:.0%}"
                for p in shown.tolist()
            ]
            self.recorder.image_grid(
                name,
                [self.image(int(indices[p])) for p in shown],
                titles,
                step=step,
                frames=[RED if wrong[p] else GREEN for p in shown.tolist()],
                heading=heading,
            )
