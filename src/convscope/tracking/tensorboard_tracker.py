"""TensorBoard: starts its logger, and logs images, Markdown texts and histograms."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning.loggers import TensorBoardLogger
from typing_extensions import override

from convscope.config.logger import TensorBoardConfig
from convscope.runs.files import readable_path
from convscope.runs.run_folder import RunFolder
from convscope.tracking.adapter import Adapter, Histogram, Table
from convscope.tracking.replay import Row
from convscope.tracking.tensorboard_logger import ResumableTensorBoardLogger
from convscope.tracking.tracker import Tracker, missed_notice

MAX_ROWS = 200


def build(
    folder: RunFolder, mark: Mapping[str, int] | None, kept: Sequence[Row] | None, missed: Sequence[Row]
) -> Tracker:
    """Start TensorBoard's logger, or let it go on from ``mark``; its files are in ``<run folder>/tensorboard``.

    The arguments are those of `convscope.config.logger.TrackerConfig`.
    """
    logger = ResumableTensorBoardLogger(folder.path / "tensorboard", mark=mark)
    _ = logger.experiment
    missed = missed if mark else kept or []
    for step, values in missed:
        logger.log_metrics(values, step)
    notice = f"TensorBoard: tensorboard --logdir {readable_path(logger.log_dir)}"
    return Tracker(
        logger, TensorBoardAdapter(logger), [notice, *missed_notice(TensorBoardConfig.label, missed, folder)]
    )


class TensorBoardAdapter(Adapter):
    """Writes images, tables, histograms and texts as TensorBoard events."""

    images_in_tables = False
    keeps_models = False

    def __init__(self, logger: TensorBoardLogger) -> None:
        self._logger = logger

    def image(self, key: str, file: Path, step: int) -> None:
        """Log the bytes of a PNG file as they are; `add_image` would decode and encode them again."""
        from PIL import Image
        from tensorboard.compat.proto.summary_pb2 import Summary

        with Image.open(file) as opened:
            (width, height), channels = opened.size, len(opened.getbands())
        image = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=file.read_bytes())
        writer = self._logger.experiment._get_file_writer()
        writer.add_summary(Summary(value=[Summary.Value(tag=key, image=image)]), step)

    def image_grid(
        self, key: str, file: Path, images: Sequence[np.ndarray], captions: Sequence[str], step: int
    ) -> None:
        """Log the PNG with all images, since a tag has one image per step."""
        self.image(key, file, step)

    def table(self, key: str, table: Table, step: int) -> None:
        """Log the first ``MAX_ROWS`` rows as Markdown, and the number of the others."""
        self._logger.experiment.add_text(key, _markdown(table.columns, table.rows, MAX_ROWS), step)

    def histogram(self, key: str, histogram: Histogram, step: int) -> None:
        """Log a histogram, with its moments computed from the centres of the bins."""
        counts, edges = histogram.counts, histogram.edges
        centres = (edges[:-1] + edges[1:]) / 2
        self._logger.experiment.add_histogram_raw(
            key,
            min=float(edges[0]),
            max=float(edges[-1]),
            num=int(counts.sum()),
            sum=float(counts @ centres),
            sum_squares=float(counts @ centres**2),
            bucket_limits=edges[1:].tolist(),
            bucket_counts=counts.tolist(),
            global_step=step,
        )

    @override
    def text(self, key: str, file: Path, text: str, step: int) -> None:
        self._logger.experiment.add_text(key, _verbatim(text), step)

    def file(self, key: str, file: Path, step: int) -> None:
        """Log the path of the file, since TensorBoard stores no files."""
        self._logger.experiment.add_text(key, _verbatim(str(file)), step)

    def summary(self, values: Mapping[str, Any], step: int) -> None:
        """Log the results as text; the HPARAMS tab takes its metrics from the scalars."""
        self._logger.experiment.add_text("summary", _verbatim(json.dumps(dict(values), indent=2, default=str)), step)

    def model(self, network: Any, example: np.ndarray) -> None:
        """Do nothing: the checkpoints are in the run's folder."""


def _verbatim(text: str) -> str:
    return "    " + text.replace("\n", "\n    ")


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[Any]], max_rows: int) -> str:
    def line(cells: Sequence[Any]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    lines = [line(columns), line(["---"] * len(columns)), *map(line, rows[:max_rows])]
    if len(rows) > max_rows:
        lines += ["", f"{len(rows) - max_rows} more rows are in the run's folder."]
    return "\n".join(lines)
