"""What a tracker must be able to take, beside scalars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class Table:
    """A table: its file, which has every row, and an image for some of the rows, by their number."""

    file: Path
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    images: Mapping[int, np.ndarray] = field(default_factory=dict)  # (H, W, 3) uint8


@dataclass(frozen=True)
class Histogram:
    """Counts between edges (one edge more than counts), and the file that has them."""

    file: Path
    counts: np.ndarray
    edges: np.ndarray


class Adapter(Protocol):
    """Hands what the run's folder has to one tracker, under ``key``; whatever fails is raised."""

    images_in_tables: bool
    keeps_models: bool

    def image(self, key: str, file: Path, step: int) -> None:
        """A PNG file."""

    def image_grid(
        self, key: str, file: Path, images: Sequence[np.ndarray], captions: Sequence[str], step: int
    ) -> None:
        """Images, each with its caption; ``file`` is the PNG that shows them all."""

    def table(self, key: str, table: Table, step: int) -> None:
        """A table."""

    def histogram(self, key: str, histogram: Histogram, step: int) -> None:
        """A distribution."""

    def text(self, key: str, file: Path, text: str, step: int) -> None:
        """A text as it is."""

    def file(self, key: str, file: Path, step: int) -> None:
        """A file of any kind."""

    def summary(self, values: Mapping[str, Any], step: int) -> None:
        """What the run came to: numbers and words by flat names."""

    def model(self, network: Any, example: np.ndarray) -> None:
        """The trained network, where the tracker keeps networks; ``example`` is a batch that it takes."""
