"""Images, tables and the rest as wandb shows them: media panels, in the sections that their names say."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning.loggers import WandbLogger

from convscope.tracking.adapter import Histogram, Table

MOST_ROWS = 10_000  # what wandb shows of a table; the run's folder has all
LARGEST_EXACT = 64  # pixels of a side up to which an image in a table is a PNG


class WandbPanels:
    """Logs one event a thing, with Lightning's step in it (never wandb's own step, which may not go back)."""

    images_in_tables = True
    keeps_models = False

    def __init__(self, logger: WandbLogger) -> None:
        self._logger = logger

    def image(self, key: str, file: Path, step: int) -> None:
        """A PNG file, as it is."""
        from wandb import Image

        self._log(key, Image(str(file)), step)

    def image_grid(
        self, key: str, file: Path, images: Sequence[np.ndarray], captions: Sequence[str], step: int
    ) -> None:
        """A gallery: each image by itself, so that wandb can enlarge it."""
        from wandb import Image

        texts: list[str | None] = list(captions) or [None] * len(images)
        self._log(key, [Image(image, caption=text) for image, text in zip(images, texts, strict=True)], step)

    def table(self, key: str, table: Table, step: int) -> None:
        """The first rows; those with an image have it in a first column."""
        import wandb

        rows = [list(row) for row in table.rows[:MOST_ROWS]]
        columns: list[str | int] = list(table.columns)
        if table.images:
            columns = ["image", *columns]
            rows = [
                [_thumbnail(table.images[number]) if number in table.images else None, *row]
                for number, row in enumerate(rows)
            ]
        self._log(key, wandb.Table(columns=columns, data=rows, allow_mixed_types=True), step)

    def histogram(self, key: str, histogram: Histogram, step: int) -> None:
        """A distribution."""
        from wandb import Histogram as Panel

        self._log(key, Panel(np_histogram=(histogram.counts, histogram.edges)), step)

    def text(self, key: str, file: Path, text: str, step: int) -> None:
        """A text as it is."""
        from wandb import Html

        self._log(key, Html(f"<pre>{escape(text)}</pre>"), step)

    def file(self, key: str, file: Path, step: int) -> None:
        """Among the run's files."""
        self._logger.experiment.save(str(file), base_path=str(file.parent), policy="now")

    def summary(self, values: Mapping[str, Any], step: int) -> None:
        """In the run's summary, by which runs are compared."""
        self._logger.experiment.summary.update(dict(values))

    def model(self, network: Any, example: np.ndarray) -> None:
        """Nothing: the checkpoints lie in the run's folder."""

    def _log(self, key: str, value: Any, step: int) -> None:
        self._logger.log_metrics({key: value}, step)


def _thumbnail(image: np.ndarray) -> Any:
    """An image (H, W) or (H, W, C) beside a row: a large one as JPEG, in a twentieth of a PNG's time."""
    from wandb import Image

    return Image(image, file_type="jpg" if max(image.shape[:2]) > LARGEST_EXACT else "png")
