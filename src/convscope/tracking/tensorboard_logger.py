"""A Lightning logger that writes TensorBoard's event files to the run's folder."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from convscope.tracking.flatten import flatten

COMPARED_METRICS = ("validation/accuracy", "validation/loss", "test/accuracy", "test/loss")  # of the HPARAMS tab
# The CUSTOM SCALARS tab: category, chart, and regular expressions of the scalars in that chart.
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


class ResumableTensorBoardLogger(TensorBoardLogger):
    """Writes event files to ``folder`` itself, and logs the configuration as text and in the HPARAMS tab.

    Lightning's own logger shows the configuration only together with a placeholder scalar, ``hp_metric``.

    Args:
        folder: Folder of the event files.
        mark: The sizes that :meth:`mark` returned at the checkpoint from which the run is resumed; later events are
            cut off. If it is empty, no events are kept. None if the run is not resumed.
    """

    def __init__(self, folder: Path, *, mark: Mapping[str, int] | None = None) -> None:
        super().__init__(folder, name="", version="", default_hp_metric=False)
        self._folder = folder
        self._continued = bool(mark)
        if mark is not None:
            self._cut(mark)

    def mark(self) -> dict[str, int]:
        """Force all events to the disk; return the size in bytes of each event file, by its name."""
        self.experiment.flush()
        sizes = {}
        for file in self._files():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
                sizes[file.name] = os.fstat(opened.fileno()).st_size
        return sizes

    def _cut(self, mark: Mapping[str, int]) -> None:
        for file in self._files():
            size = mark.get(file.name, 0)
            if size == 0:
                file.unlink()
            elif size < file.stat().st_size:
                os.truncate(file, size)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("events.out.tfevents.*"))

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Log a nested dict as the text ``config`` and as a row of the HPARAMS tab, and the layout of the charts.

        Does nothing in a resumed run, whose event files have all this.
        """
        if self._continued:
            return
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
