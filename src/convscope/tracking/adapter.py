"""The interface through which a tracker receives everything but scalars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class Table:
    """A table to log.

    Attributes:
        file: CSV file with every row.
        columns: Names of the columns.
        rows: Cells of each row.
        images: Images of some of the rows, by row number, (H, W, 3) uint8.
    """

    file: Path
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    images: Mapping[int, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Histogram:
    """A histogram to log.

    Attributes:
        file: CSV file with the bins.
        counts: Number of values in each bin, (N,).
        edges: Edges of the bins, (N + 1,).
    """

    file: Path
    counts: np.ndarray
    edges: np.ndarray


class Adapter(Protocol):
    """Logs the files of a run's folder to one tracker, each under the name ``key``. Errors are raised.

    Attributes:
        images_in_tables: Whether the tracker shows images in tables.
        keeps_models: Whether the tracker stores networks.
    """

    images_in_tables: bool
    keeps_models: bool

    def image(self, key: str, file: Path, step: int) -> None:
        """Log a PNG file."""

    def image_grid(
        self, key: str, file: Path, images: Sequence[np.ndarray], captions: Sequence[str], step: int
    ) -> None:
        """Log images, each with its caption; ``file`` is a PNG that shows all of them."""

    def table(self, key: str, table: Table, step: int) -> None:
        """Log a table."""

    def histogram(self, key: str, histogram: Histogram, step: int) -> None:
        """Log a histogram."""

    def text(self, key: str, file: Path, text: str, step: int) -> None:
        """Log ``text`` without formatting; ``file`` has the same text."""

    def file(self, key: str, file: Path, step: int) -> None:
        """Log a file of any kind."""

    def summary(self, values: Mapping[str, Any], step: int) -> None:
        """Log the results of the run: numbers and strings by flat names."""

    def model(self, network: Any, example: np.ndarray) -> None:
        """Store the trained network if the tracker keeps networks; ``example`` is an input batch."""
