"""Logs scalars, figures, images and tables under the same name to the run's folder and to every tracker."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from convscope.console import warn
from convscope.figures.contact_sheet import RULE, Tile, contact_sheet
from convscope.masking import mask
from convscope.runs.position import StageOffset
from convscope.runs.run_folder import RunFolder
from convscope.tracking.adapter import Adapter, Histogram, Table
from convscope.tracking.csv_logger import MetricsCSVLogger
from convscope.tracking.flatten import flatten
from convscope.tracking.guard import GuardedLogger
from convscope.tracking.sections import tracked_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRACKED_IMAGES = 100  # at most so many rows of a table have an image in a tracker
BINS = 64
GRID_COLUMNS = 6


class Recorder:
    """Logs scalars, figures, images, tables, histograms, texts and files to a run's folder and its trackers.

    In the folder, a file of the same name replaces the earlier one; trackers keep all of them by step. A name such as
    ``saliency/first`` puts an entry into a section; :mod:`convscope.tracking.sections` gives the section of names
    without a slash. A tracker that fails is switched off with one warning. A logger without an adapter only gets the
    scalars.

    The arguments ``step`` count the steps of the stage's trainer; :attr:`position` has the steps of earlier stages.
    Only rank 0 records.

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
        self.position = next(known, StageOffset())
        self._adapters = [(logger, logger.adapter) for logger in self._loggers if isinstance(logger, GuardedLogger)]
        self._warned: set[str] = set()

    def scalar(self, name: str, value: float, step: int) -> None:
        """Log one number."""
        self.scalars({name: value}, step)

    @rank_zero_only
    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log several numbers of the same step."""
        for logger in self._loggers:
            logger.log_metrics(dict(values), step=step)

    @rank_zero_only
    def figure(self, name: str, figure: "Figure", step: int) -> Path:
        """Draw a matplotlib figure to ``media/<name>.png`` and log that image; return its path."""
        path = self.folder.write_figure(name, figure)
        self._log_to_trackers(name, step, lambda adapter, key, at: adapter.image(key, path, at))
        return path

    @rank_zero_only
    def image(self, name: str, pixels: np.ndarray, step: int) -> Path:
        """Log one image, uint8 of shape (height, width, 3), at its own size; return the path of the PNG."""
        from PIL import Image

        path = self.folder.write_image(name, Image.fromarray(pixels))
        self._log_to_trackers(name, step, lambda adapter, key, at: adapter.image(key, path, at))
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
        """Log images that belong together, as one PNG with all of them, and in wandb as a gallery.

        Args:
            name: Name of the PNG, ``media/<name>.png``.
            images: uint8 of shape (height, width, 3), (height, width, 1) or (height, width), of any sizes.
            captions: A caption for each image, or none.
            step: Step of the stage's trainer.
            frames: RGB colour of the frame of each image; empty for grey frames.
            heading: Text above all images.

        Returns:
            The path of the PNG.
        """
        from PIL import Image

        tiles = [
            Tile(image, captions[number] if captions else "", frames[number] if frames else RULE)
            for number, image in enumerate(images)
        ]
        rows = [tiles[first : first + GRID_COLUMNS] for first in range(0, len(tiles), GRID_COLUMNS)]
        path = self.folder.write_image(name, Image.fromarray(contact_sheet(rows, heading=heading)))
        shown = [image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image for image in images]
        self._log_to_trackers(name, step, lambda adapter, key, at: adapter.image_grid(key, path, shown, captions, at))
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
        """Log a table. A tracker gets as many of the first rows as it can show.

        Args:
            name: Name of the table.
            columns: Names of the columns.
            rows: Cells of each row, one per column.
            step: Step of the stage's trainer.
            image: Returns the image of a row, uint8 of shape (height, width, 3), for its number; only called if a
                tracker shows images in tables, as wandb does.
            rows_with_image: Numbers of the rows that get an image, the most important first; only the first
                ``TRACKED_IMAGES`` do. If it is empty, the first rows get one.

        Returns:
            The path of ``tables/<name>.csv``, which has every row.
        """
        path = self.folder.write_table(name, columns, rows)
        row_images: dict[int, np.ndarray] = {}
        if image is not None and self._images_in_tables():
            chosen = list(rows_with_image or range(len(rows)))[:TRACKED_IMAGES]
            row_images = {number: image(number) for number in chosen}
        table = Table(path, columns, rows, row_images)
        self._log_to_trackers(name, step, lambda adapter, key, at: adapter.table(key, table, at))
        return path

    @rank_zero_only
    def histogram(self, name: str, values: Any, step: int, *, bins: int = BINS) -> Path:
        """Log a histogram of the finite values of an array or of a tensor on the CPU.

        Returns:
            The path of ``tables/<name>.csv``, with the columns ``from``, ``to`` and ``count``.
        """
        numbers = np.asarray(values, dtype=np.float64).ravel()
        counts, edges = np.histogram(numbers[np.isfinite(numbers)], bins=bins)
        rows = list(zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True))
        path = self.folder.write_table(name, ("from", "to", "count"), rows)
        histogram = Histogram(path, counts, edges)
        self._log_to_trackers(name, step, lambda adapter, key, at: adapter.histogram(key, histogram, at))
        return path

    @rank_zero_only
    def text(self, name: str, text: str, step: int) -> Path:
        """Log a text without formatting; return the path of ``media/<name>.txt``."""
        path = self.folder.write_text(name, text)
        self._log_to_trackers(name, step, lambda adapter, key, at: adapter.text(key, path, text, at))
        return path

    @rank_zero_only
    def file(self, path: Path, step: int) -> None:
        """Log a file of the run's folder to the trackers, as ``files/<its name>``."""
        self._log_to_trackers(f"files/{path.name}", step, lambda adapter, key, at: adapter.file(key, path, at))

    @rank_zero_only
    def summary(self, summary: Mapping[str, Any], step: int) -> None:
        """Log the results of the run, nested as in ``summary.json``, for the comparison of runs in the trackers."""
        flat = {
            name.replace(".", "/"): value
            for name, value in flatten(mask(summary)).items()
            if isinstance(value, (bool, int, float, str))
        }
        self._log_to_trackers("summary", step, lambda adapter, _, at: adapter.summary(flat, at))

    @rank_zero_only
    def model(self, network: Any, example: np.ndarray) -> None:
        """Log the trained network to the trackers that keep networks, such as MLflow.

        Args:
            network: The network, on the CPU, in eval mode.
            example: A batch of at least two inputs.
        """
        self._log_to_trackers("network", 0, lambda adapter, *_: adapter.model(network, example))

    @property
    def keeps_models(self) -> bool:
        """Whether one of the trackers that are on keeps networks."""
        return any(
            logger.enabled and adapter is not None and adapter.keeps_models for logger, adapter in self._adapters
        )

    def _images_in_tables(self) -> bool:
        return any(
            logger.enabled and adapter is not None and adapter.images_in_tables for logger, adapter in self._adapters
        )

    def _log_to_trackers(self, name: str, step: int, log: Callable[[Adapter, str, int], None]) -> None:
        """Call ``log(adapter, key, run_step)`` for every tracker; ``run_step`` counts from the beginning of the run."""
        key, run_step = tracked_name(name), self.position.steps + step
        for logger, adapter in self._adapters:
            if adapter is not None:
                logger.attempt(functools.partial(_call_adapter, adapter, lambda target: log(target, key, run_step)))
            elif logger.label not in self._warned:
                self._warned.add(logger.label)
                warn(f"{logger.label} gets the scalars only; figures and tables are in {self.folder.path}")


def _call_adapter(adapter: Adapter, log: Callable[[Adapter], None], _: Logger) -> None:
    """Call ``log(adapter)``, with the logger that `GuardedLogger.attempt` passes ignored."""
    log(adapter)
