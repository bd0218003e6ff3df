"""One way to log: the same thing, under the same name, to the run's folder and to every tracker."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from convscope.tracking.guard import GuardedLogger
from convscope.tracking.metrics_file import MetricsFile
from convscope.tracking.position import Position
from convscope.tracking.run_folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRACKED_ROWS = {"wandb": 10_000, "tensorboard": 200}  # the run's folder has all of them


class Recorder:
    """Hands figures, tables, texts and scalars to a run's folder and to its trackers.

    In the folder a later figure of the same name replaces the earlier one; trackers keep each with its step.
    A tracker that fails is switched off with one warning. A logger of a kind that is not known gets the
    scalars.

    Only the first process of a distributed run records.

    Args:
        folder: The run's folder.
        loggers: The trainer's loggers, as :func:`convscope.tracking.trackers.build_loggers` gives them.
    """

    def __init__(self, folder: RunFolder, loggers: Sequence[Logger] = ()) -> None:
        self.folder = folder
        self._loggers = [
            logger if isinstance(logger, (GuardedLogger, MetricsFile)) else GuardedLogger(type(logger).__name__, logger)
            for logger in loggers
        ]
        known = (logger.position for logger in loggers if isinstance(logger, (GuardedLogger, MetricsFile)))
        self.position = next(known, Position())
        self._told: set[str] = set()

    @rank_zero_only
    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers."""
        for logger in self._loggers:
            logger.log_metrics(dict(values), step=step)

    @rank_zero_only
    def figure(self, name: str, figure: "Figure", step: int) -> Path:
        """Draw a matplotlib figure to ``media/<name>.png`` and log that picture. Returns its path."""
        path = self.folder.write_figure(name, figure)
        self._picture(name, path, self.position.steps + step)
        return path

    @rank_zero_only
    def image(self, name: str, pixels: np.ndarray, step: int) -> Path:
        """Log one picture, uint8 of shape (height, width, 3), pixel by pixel. Returns the path of the PNG."""
        from PIL import Image

        path = self.folder.write_image(name, Image.fromarray(pixels))
        self._picture(name, path, self.position.steps + step)
        return path

    @rank_zero_only
    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int) -> Path:
        """Log a table. Returns the path of ``tables/<name>.csv``, which has every row.

        wandb gets the first 10,000 rows, TensorBoard the first 200, with the number of those left out.
        """
        path = self.folder.write_table(name, columns, rows)
        step += self.position.steps

        def wandb(logger: WandbLogger) -> None:
            from wandb import Table

            shown = [list(row) for row in rows[: TRACKED_ROWS["wandb"]]]
            table = Table(columns=list(columns), data=shown, allow_mixed_types=True)
            logger.log_metrics({name: table}, step)  # type: ignore[dict-item]

        def tensorboard(logger: TensorBoardLogger) -> None:
            logger.experiment.add_text(name, _markdown(columns, rows, TRACKED_ROWS["tensorboard"]), step)

        self._hand_out(wandb=wandb, tensorboard=tensorboard, mlflow=self._artifact(path))
        return path

    @rank_zero_only
    def text(self, name: str, text: str, step: int) -> Path:
        """Log a text as it is. Returns the path of ``media/<name>.txt``."""
        path = self.folder.write_text(name, text)
        step += self.position.steps

        def wandb(logger: WandbLogger) -> None:
            from html import escape

            from wandb import Html

            logger.log_metrics({name: Html(f"<pre>{escape(text)}</pre>")}, step)  # type: ignore[dict-item]

        def tensorboard(logger: TensorBoardLogger) -> None:
            logger.experiment.add_text(name, "    " + text.replace("\n", "\n    "), step)

        self._hand_out(wandb=wandb, tensorboard=tensorboard, mlflow=self._artifact(path))
        return path

    def _picture(self, name: str, path: Path, step: int) -> None:
        def wandb(logger: WandbLogger) -> None:
            from wandb import Image

            logger.log_metrics({name: Image(str(path))}, step)  # type: ignore[dict-item]

        def tensorboard(logger: TensorBoardLogger) -> None:
            from PIL import Image

            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            logger.experiment.add_image(name, pixels, step, dataformats="HWC")

        self._hand_out(wandb=wandb, tensorboard=tensorboard, mlflow=self._artifact(path))

    def _artifact(self, path: Path) -> Callable[[MLFlowLogger], None]:
        """For MLflow: the file, at the place that it has in the run's folder."""

        def log(logger: MLFlowLogger) -> None:
            place = path.parent.relative_to(self.folder.path).as_posix()
            logger.experiment.log_artifact(logger.run_id, str(path), place)

        return log

    def _hand_out(
        self,
        *,
        wandb: Callable[[WandbLogger], None],
        tensorboard: Callable[[TensorBoardLogger], None],
        mlflow: Callable[[MLFlowLogger], None],
    ) -> None:
        for logger in self._loggers:
            if not isinstance(logger, GuardedLogger):
                continue
            if isinstance(logger.inner, WandbLogger):
                logger.attempt(wandb)
            elif isinstance(logger.inner, TensorBoardLogger):
                logger.attempt(tensorboard)
            elif isinstance(logger.inner, MLFlowLogger):
                logger.attempt(mlflow)
            elif logger.label not in self._told:
                self._told.add(logger.label)
                warnings.warn(
                    f"{logger.label} gets the scalars only; figures and tables are in {self.folder.path}",
                    stacklevel=4,
                )


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[Any]], most: int) -> str:
    def line(cells: Sequence[Any]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    lines = [line(columns), line(["---"] * len(columns)), *map(line, rows[:most])]
    if len(rows) > most:
        lines += ["", f"{len(rows) - most} more rows are in the run's folder."]
    return "\n".join(lines)
