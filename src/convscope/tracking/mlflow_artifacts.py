"""Images, tables and the rest as MLflow keeps them: files, in folders that are the sections; and the network."""

import json
import pickle
import posixpath
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convscope.tracking.adapter import Histogram, Table
from convscope.tracking.mlflow_process import MLflowProcess


class MLflowArtifacts:
    """Copies the run's files to the run in MLflow; the file of ``key`` is ``<key>.<suffix>``."""

    images_in_tables = False
    keeps_models = True

    def __init__(self, process: MLflowProcess) -> None:
        self._process = process

    def image(self, key: str, file: Path, step: int) -> None:
        """A PNG file."""
        self._copy(key, file)

    def image_grid(
        self, key: str, file: Path, images: Sequence[np.ndarray], captions: Sequence[str], step: int
    ) -> None:
        """The PNG file that shows them all."""
        self._copy(key, file)

    def table(self, key: str, table: Table, step: int) -> None:
        """The CSV file."""
        self._copy(key, table.file)

    def histogram(self, key: str, histogram: Histogram, step: int) -> None:
        """The CSV file."""
        self._copy(key, histogram.file)

    def text(self, key: str, file: Path, text: str, step: int) -> None:
        """The file."""
        self._copy(key, file)

    def file(self, key: str, file: Path, step: int) -> None:
        """The file."""
        self._copy(key, file)

    def summary(self, values: Mapping[str, Any], step: int) -> None:
        """As ``summary.json``."""
        self._process.send("text", json.dumps(dict(values), indent=2, default=str), "summary.json")

    def model(self, network: Any, example: np.ndarray) -> None:
        """Have ``network`` kept, as :meth:`convscope.tracking.mlflow_writer.Writer.model` tells."""
        try:
            pickled = pickle.dumps(network)
        except Exception as error:
            warnings.warn(f"MLflow keeps no model: the network cannot be pickled ({error})"[:300], stacklevel=2)
        else:
            self._process.send("model", pickled, example)

    def _copy(self, key: str, file: Path) -> None:
        self._process.send("artifact", str(file.absolute()), posixpath.dirname(key) or None)
