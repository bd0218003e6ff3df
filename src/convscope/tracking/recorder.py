"""One way to log: the same thing, under the same name, to the run's folder and to every tracker."""

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from convscope.figures.contact_sheet import RULE, Tile, contact_sheet
from convscope.masking import mask
from convscope.runs.position import Position
from convscope.runs.run_folder import RunFolder
from convscope.tracking.adapter import Adapter, Histogram, Table
from convscope.tracking.adapter_registry import adapter_of
from convscope.tracking.csv_logger import MetricsCSVLogger
from convscope.tracking.flatten import flatten
from convscope.tracking.guard import GuardedLogger
from convscope.tracking.sections import tracked_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRACKED_IMAGES = 100  # rows of a table that have their image in a tracker
BINS = 64
GRID_COLUMNS = 6


class Recorder:
    """Hands scalars, figures, images, tables, histograms, texts and files to a run's folder and its trackers.

    In the folder a later thing of the same name replaces the earlier one; trackers keep each with its step. A
    name such as ``saliency/first`` puts it into a section; the few bare names have a section of their own
    (:mod:`convscope.tracking.sections`). A tracker that fails is switched off with one warning. A logger of a
    kind that is not known gets the scalars.

    Steps are those of the stage's trainer; :attr:`position` says where in the run the stage began. Only the first
    process of a distributed run records.

    Args:
        folder: The run's folder.
        loggers: The trainer's loggers, as :func:`convscope.tracking.trackers.build_loggers` gives them.
    """

    def __init__(self, folder: RunFolder, loggers: Sequence[Logger] = ()) -> None:
        self.folder = folder
        self._loggers = [
            logger
            if isinstance(logger, (GuardedLogger, MetricsCSVLogger))
            else GuardedLogger(type(logger).__name__, logger)
            for logger in loggers
        ]
        known = (logger.position for logger in loggers if isinstance(logger, (GuardedLogger, MetricsCSVLogger)))
        self.position = next(known, Position())
        self._adapters = [
            (logger, adapter_of(logger.inner)) for logger in self._loggers if isinstance(logger, GuardedLogger)
        ]
        self._told: set[str] = set()

    def scalar(self, name: str, value: float, step: int) -> None:
        """Log one number."""
        self.scalars({name: value}, step)

    @rank_zero_only
    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers of one moment."""
        for logger in self._loggers:
            logger.log_metrics(dict(values), step=step)

    @rank_zero_only
    def figure(self, name: str, figure: "Figure", step: int) -> Path:
        """Draw a matplotlib figure to ``media/<name>.png`` and log that image. Returns its path."""
        path = self.folder.write_figure(name, figure)
        self._hand_out(name, step, lambda adapter, key, at: adapter.image(key, path, at))
        return path

    @rank_zero_only
    def image(self, name: str, pixels: np.ndarray, step: int) -> Path:
        """Log one image, uint8 of shape (height, width, 3), pixel by pixel. Returns the path of the PNG."""
        from PIL import Image

        path = self.folder.write_image(name, Image.fromarray(pixels))
        self._hand_out(name, step, lambda adapter, key, at: adapter.image(key, path, at))
        return path

    @rank_zero_only
    def image_grid(
        self,
        name: str,
        images: Sequence[np.ndarray],
        captions: Sequence[str] = (),
        *,
        step: int,
        frames: Sequence[tuple[int, int, int]] = (),
        heading: str = "",
    ) -> Path:
        """Log images that belong together: one PNG with all of them, and in wandb a gallery.

        Args:
            name: Of the PNG, ``media/<name>.png``, whose path is returned.
            images: uint8 of shape (height, width, 3), (height, width, 1) or (height, width), of any sizes.
            captions: One an image, or none.
            step: Of the training.
            frames: Colour of each image's frame, or none: grey.
            heading: Text above all.
        """
        from PIL import Image

        tiles = [
            Tile(image, captions[number] if captions else "", frames[number] if frames else RULE)
            for number, image in enumerate(images)
        ]
        rows = [tiles[first : first + GRID_COLUMNS] for first in range(0, len(tiles), GRID_COLUMNS)]
        path = self.folder.write_image(name, Image.fromarray(contact_sheet(rows, heading=heading)))
        shown = [image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image for image in images]
        self._hand_out(name, step, lambda adapter, key, at: adapter.image_grid(key, path, shown, captions, at))
        return path

    @rank_zero_only
    def table(
        self,
        name: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        step: int,
        *,
        image: Callable[[int], np.ndarray] | None = None,
        rows_with_image: Sequence[int] = (),
    ) -> Path:
        """Log a table. Returns the path of ``tables/<name>.csv``, which has every row.

        A tracker gets as many of the first rows as it shows well.

        Args:
            name: Of the table.
            columns: Their names.
            rows: As many cells each as there are columns.
            step: Of the training.
            image: From the number of a row to its image, uint8 of shape (height, width, 3); called only where a
                tracker shows images in tables, as wandb does.
            rows_with_image: The rows that get one, the most telling first; a hundred at most. Empty: the first.
        """
        path = self.folder.write_table(name, columns, rows)
        row_images: dict[int, np.ndarray] = {}
        if image is not None and self._images_in_tables():
            chosen = list(rows_with_image or range(len(rows)))[:TRACKED_IMAGES]
            row_images = {number: image(number) for number in chosen}
        table = Table(path, columns, rows, row_images)
        self._hand_out(name, step, lambda adapter, key, at: adapter.table(key, table, at))
        return path

    @rank_zero_only
    def histogram(self, name: str, values: Any, step: int, *, bins: int = BINS) -> Path:
        """Log the distribution of numbers (an array, a tensor on the CPU); those not finite are left out.

        Returns:
            The path of ``tables/<name>.csv``, with the columns from, to, count.
        """
        numbers = np.asarray(values, dtype=np.float64).ravel()
        counts, edges = np.histogram(numbers[np.isfinite(numbers)], bins=bins)
        rows = list(zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True))
        path = self.folder.write_table(name, ("from", "to", "count"), rows)
        histogram = Histogram(path, counts, edges)
        self._hand_out(name, step, lambda adapter, key, at: adapter.histogram(key, histogram, at))
        return path

    @rank_zero_only
    def text(self, name: str, text: str, step: int) -> Path:
        """Log a text as it is. Returns the path of ``media/<name>.txt``."""
        path = self.folder.write_text(name, text)
        self._hand_out(name, step, lambda adapter, key, at: adapter.text(key, path, text, at))
        return path

    @rank_zero_only
    def file(self, path: Path, step: int) -> None:
        """Hand a file of the run's folder to the trackers, as ``files/<its name>``."""
        self._hand_out(f"files/{path.name}", step, lambda adapter, key, at: adapter.file(key, path, at))

    @rank_zero_only
    def summary(self, summary: Mapping[str, Any], step: int) -> None:
        """Log what the run came to (nested, as in ``summary.json``) where runs are compared."""
        flat = {
            name.replace(".", "/"): value
            for name, value in flatten(mask(summary)).items()
            if isinstance(value, (bool, int, float, str))
        }
        self._hand_out("summary", step, lambda adapter, _, at: adapter.summary(flat, at))

    @rank_zero_only
    def model(self, network: Any, example: np.ndarray) -> None:
        """Log the trained network, where a tracker keeps networks, which MLflow does.

        Args:
            network: On the CPU, in eval mode.
            example: Two or more inputs.
        """
        self._hand_out("network", 0, lambda adapter, *_: adapter.model(network, example))

    @property
    def keeps_models(self) -> bool:
        """Whether a tracker that is on keeps networks."""
        return any(
            logger.enabled and adapter is not None and adapter.keeps_models for logger, adapter in self._adapters
        )

    def _images_in_tables(self) -> bool:
        return any(
            logger.enabled and adapter is not None and adapter.images_in_tables for logger, adapter in self._adapters
        )

    def _hand_out(self, name: str, step: int, log: Callable[[Adapter, str, int], None]) -> None:
        """``log(adapter, key, step)`` for every tracker, ``step`` being the run's and not the stage's."""
        key, at = tracked_name(name), self.position.steps + step
        for logger, adapter in self._adapters:
            if adapter is not None:
                logger.attempt(functools.partial(_given, adapter, lambda given: log(given, key, at)))
            elif logger.label not in self._told:
                self._told.add(logger.label)
                warnings.warn(
                    f"{logger.label} gets the scalars only; figures and tables are in {self.folder.path}",
                    stacklevel=4,
                )


def _given(adapter: Adapter, log: Callable[[Adapter], None], _: Logger) -> None:
    log(adapter)
