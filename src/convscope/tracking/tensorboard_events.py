"""TensorBoard: event files in the run's folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from convscope.tracking.flatten import flatten

COMPARED_METRICS = ("validation/accuracy", "validation/loss", "test/accuracy", "test/loss")  # of the HPARAMS tab
# The CUSTOM SCALARS tab: category, then chart, then the scalars that share it. Names are patterns.
LAYOUT = {
    "training": {
        "loss": ("Multiline", ["train/loss$", "validation/loss$"]),
        "accuracy": ("Multiline", ["train/accuracy$", "validation/accuracy$"]),
        "learning rate": ("Multiline", ["learning_rate.*"]),
        "stage": ("Multiline", ["stage$", "stages/.*"]),
    },
    "what it sees": {
        "receptive field": ("Multiline", ["receptive_field/.*"]),
        "faithfulness of saliency": ("Multiline", ["saliency/.*"]),
        "parameters": ("Multiline", ["parameters/.*"]),
    },
}


class TensorBoardEvents(TensorBoardLogger):
    """Lightning's TensorBoard logger, writing to ``folder`` itself, with the configuration where it can be
    read.

    Lightning's own shows the configuration only together with a made-up scalar, ``hp_metric``.
    """

    def __init__(self, folder: Path, *, resume_step: int | None = None) -> None:
        # purge_step: TensorBoard hides what an interrupted run logged at this step and later.
        super().__init__(folder, name="", version="", default_hp_metric=False, purge_step=resume_step)

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Log a nested dict as the text ``config`` and as a row of the HPARAMS tab; and lay out the charts."""
        from torch.utils.tensorboard.summary import hparams

        values = params if isinstance(params, Mapping) else vars(params)
        text = json.dumps(values, indent=2, default=str, ensure_ascii=False)
        self.experiment.add_text("config", "    " + text.replace("\n", "\n    "), 0)
        self.experiment.add_custom_scalars(LAYOUT)
        flat = {
            name: value if isinstance(value, (bool, int, float, str)) else str(value)
            for name, value in flatten(values).items()
        }
        writer = self.experiment._get_file_writer()
        for summary in hparams(flat, dict.fromkeys(COMPARED_METRICS, 0.0)):
            writer.add_summary(summary, 0)
