"""MLflow: starts its run, and stores images, tables and texts as artifacts in a folder a section; and the network."""

import json
import pickle
import posixpath
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from convscope.config.logger import MLflowConfig
from convscope.runs.run_folder import RunFolder
from convscope.tracking import mlflow_logger
from convscope.tracking.adapter import Adapter, Histogram, Table
from convscope.tracking.mlflow_process import MLflowProcess, store_address
from convscope.tracking.replay import Row
from convscope.tracking.tracker import Tracker


def build(
    settings: MLflowConfig,
    folder: RunFolder,
    run_name: str,
    group: str | None,
    tags: Sequence[str],
    outputs: str | Path,
    kept: Sequence[Row] | None,
) -> Tracker:
    """Start the run in MLflow, or continue it.

    The arguments are those of `convscope.config.logger.TrackerConfig`.
    """
    logger, notices = mlflow_logger.start(
        folder,
        uri=store_address(settings, outputs),
        experiment=settings.experiment,
        run_name=run_name,
        group=group,
        tags=tags,
    )
    if kept is not None:
        logger.restore(kept, folder)
    return Tracker(logger, MLflowAdapter(logger.experiment), notices)


class MLflowAdapter(Adapter):
    """Copies files to the run in MLflow; the artifact of ``key`` is ``<key>.<suffix>``."""

    images_in_tables = False
    keeps_models = True

    def __init__(self, process: MLflowProcess) -> None:
        self._process = process

    @override
    def image(self, key: str, file: Path, step: int) -> None:
        self._copy(key, file)

    @override
    def image_grid(
        self, key: str, file: Path, images: Sequence[np.ndarray], captions: Sequence[str], step: int
    ) -> None:
        self._copy(key, file)

    @override
    def table(self, key: str, table: Table, step: int) -> None:
        self._copy(key, table.file)

    @override
    def histogram(self, key: str, histogram: Histogram, step: int) -> None:
        self._copy(key, histogram.file)

    @override
    def text(self, key: str, file: Path, text: str, step: int) -> None:
        self._copy(key, file)

    @override
    def file(self, key: str, file: Path, step: int) -> None:
        self._copy(key, file)

    def summary(self, values: Mapping[str, Any], step: int) -> None:
        """Store the results as ``summary.json``."""
        self._process.send("text", json.dumps(dict(values), indent=2, default=str), "summary.json")

    def model(self, network: Any, example: np.ndarray) -> None:
        """Store ``network`` as described in :meth:`convscope.tracking.mlflow_writer.Writer.model`."""
        try:
            pickled = pickle.dumps(network)
        except Exception as error:
            warnings.warn(f"the network is not stored in MLflow: it cannot be pickled ({error})"[:300], stacklevel=2)
        else:
            self._process.send("model", pickled, example)

    def _copy(self, key: str, file: Path) -> None:
        self._process.send("artifact", str(file.absolute()), posixpath.dirname(key) or None)
