"""Weights & Biases: starts its run, and logs images, tables, histograms and texts as media panels."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning.loggers import WandbLogger
from typing_extensions import override

from convscope.config.logger import WandbConfig
from convscope.runs.run_folder import RunFolder
from convscope.tracking import wandb_run
from convscope.tracking.adapter import Adapter, Histogram, Table
from convscope.tracking.replay import Row
from convscope.tracking.tracker import Tracker, missed_notice
from convscope.tracking.wandb_settings import requested_mode

MAX_ROWS = 10_000  # rows of a table that wandb shows; the file in the run's folder has all
MAX_PNG_SIDE = 64  # pixels; larger images in a table are JPEGs


def build(
    settings: WandbConfig,
    folder: RunFolder,
    run_name: str,
    group: str | None,
    tags: Sequence[str],
    kept: Sequence[Row] | None,
    missed: Sequence[Row],
) -> Tracker:
    """Start the run in wandb, or continue it; it is off if wandb itself is set so.

    The arguments are those of `convscope.config.logger.TrackerConfig`.
    """
    if requested_mode() == "disabled":
        return Tracker(None, notices=["wandb is off, as WANDB_MODE or `wandb disabled` requests."])
    logger, notices = wandb_run.start(
        folder,
        project=settings.project,
        run_name=run_name,
        entity=settings.entity,
        group=group,
        tags=tags,
        mode=settings.mode,
        kept=kept,
    )
    return Tracker(
        logger,
        WandbAdapter(logger),
        [*notices, *missed_notice("wandb", missed, folder)],
        lambda status: wandb_run.finish(logger, status),
    )


class WandbAdapter(Adapter):
    """Logs each object as an event of its own, with Lightning's step (wandb's own step must never decrease)."""

    images_in_tables = True
    keeps_models = False

    def __init__(self, logger: WandbLogger) -> None:
        self._logger = logger

    def image(self, key: str, file: Path, step: int) -> None:
        """Log a PNG file as it is."""
        from wandb import Image

        self._log(key, Image(str(file)), step)

    def image_grid(
        self, key: str, file: Path, images: Sequence[np.ndarray], captions: Sequence[str], step: int
    ) -> None:
        """Log a gallery of the images, so that wandb can enlarge each of them."""
        from wandb import Image

        texts: list[str | None] = list(captions) or [None] * len(images)
        self._log(key, [Image(image, caption=text) for image, text in zip(images, texts, strict=True)], step)

    def table(self, key: str, table: Table, step: int) -> None:
        """Log the first ``MAX_ROWS`` rows; a first column ``thumbnail`` shows the images of rows, if there are any."""
        import wandb

        rows = [list(row) for row in table.rows[:MAX_ROWS]]
        columns: list[str | int] = list(table.columns)
        if table.images:
            columns = ["thumbnail", *columns]
            rows = [
                [_thumbnail(table.images[number]) if number in table.images else None, *row]
                for number, row in enumerate(rows)
            ]
        self._log(key, wandb.Table(columns=columns, data=rows, allow_mixed_types=True), step)

    @override
    def histogram(self, key: str, histogram: Histogram, step: int) -> None:
        from wandb import Histogram as Panel

        self._log(key, Panel(np_histogram=(histogram.counts, histogram.edges)), step)

    def text(self, key: str, file: Path, text: str, step: int) -> None:
        """Log a text without formatting, as HTML."""
        from wandb import Html

        self._log(key, Html(f"<pre>{escape(text)}</pre>"), step)

    def file(self, key: str, file: Path, step: int) -> None:
        """Save the file among the run's files."""
        self._logger.experiment.save(str(file), base_path=str(file.parent), policy="now")

    def summary(self, values: Mapping[str, Any], step: int) -> None:
        """Log the results to the run's summary, by which wandb compares runs."""
        self._logger.experiment.summary.update(dict(values))

    def model(self, network: Any, example: np.ndarray) -> None:
        """Do nothing: the checkpoints are in the run's folder."""

    def _log(self, key: str, value: Any, step: int) -> None:
        self._logger.log_metrics({key: value}, step)


def _thumbnail(image: np.ndarray) -> Any:
    """Return the image of a row, (H, W) or (H, W, C), for wandb.

    A large image becomes a JPEG, which takes a twentieth of the time of a PNG.
    """
    from wandb import Image

    return Image(image, file_type="jpg" if max(image.shape[:2]) > MAX_PNG_SIDE else "png")
