"""Pictures, tables and the rest as MLflow keeps them: files, in folders that are the sections; and the network."""

import json
import logging
import posixpath
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning.loggers import MLFlowLogger

from convscope.tracking.adapter import Histogram, Table

MODEL_NAME = "network"
REQUIRED = ("torch", "numpy")  # what an exported program runs on


class MLflowArtifacts:
    """Copies the run's files to the run in MLflow; the file of ``key`` is ``<key>.<suffix>``."""

    pictures_in_tables = False
    keeps_models = True

    def __init__(self, logger: MLFlowLogger) -> None:
        self._logger = logger

    def picture(self, key: str, file: Path, step: int) -> None:
        """A PNG file."""
        self._copy(key, file)

    def picture_grid(
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
        text = json.dumps(dict(values), indent=2, default=str)
        self._logger.experiment.log_text(self._logger.run_id, text, "summary.json")

    def model(self, network: Any, example: np.ndarray) -> None:
        """Keep ``network`` as a model of the run, with its signature: any number of inputs like ``example``'s.

        It is kept as an exported program (``torch.export``), which loads without pickle and without convscope.

        Args:
            network: On the CPU, in eval mode.
            example: At least two inputs, such as (2, C, H, W) float32; one alone would fix the batch at 1.
        """
        import mlflow.pytorch
        import torch
        from mlflow.entities import LoggedModelOutput
        from mlflow.exceptions import MlflowException
        from mlflow.models import Model
        from mlflow.models.signature import ModelSignature
        from mlflow.types import Schema, TensorSpec

        client, run_id = self._logger.experiment, str(self._logger.run_id)
        with torch.no_grad():
            logits = network(torch.from_numpy(example)).numpy()
        signature = ModelSignature(
            Schema([TensorSpec(example.dtype, (-1, *example.shape[1:]))]),
            Schema([TensorSpec(logits.dtype, (-1, *logits.shape[1:]))]),
        )
        experiment = client.get_run(run_id).info.experiment_id
        kept = client.create_logged_model(experiment, name=MODEL_NAME, source_run_id=run_id)
        status = "FAILED"
        chatter = logging.getLogger("mlflow")
        level = chatter.level
        chatter.setLevel(logging.ERROR)
        try:
            with tempfile.TemporaryDirectory() as folder:
                place = str(Path(folder) / "model")
                mlflow.pytorch.save_model(
                    network,
                    place,
                    mlflow_model=Model(
                        artifact_path=kept.artifact_location,
                        model_uuid=kept.model_id,
                        run_id=run_id,
                        model_id=kept.model_id,
                    ),
                    signature=signature,
                    input_example=example,
                    # Told, since MLflow would find out by starting another Python that loads the network.
                    pip_requirements=[f"{name}=={metadata.version(name)}" for name in REQUIRED],
                    serialization_format="pt2",
                )
                client.log_model_artifacts(kept.model_id, place)
            status = "READY"
        except MlflowException:
            raise
        except Exception as error:  # of the export: the tracker itself is well
            warnings.warn(f"MLflow keeps no model: the network cannot be exported ({error})"[:300], stacklevel=2)
        finally:
            chatter.setLevel(level)
            client.finalize_logged_model(kept.model_id, status)
        if status == "READY":
            client.log_outputs(run_id, [LoggedModelOutput(kept.model_id, 0)])

    def _copy(self, key: str, file: Path) -> None:
        section = posixpath.dirname(key)
        self._logger.experiment.log_artifact(self._logger.run_id, str(file), section or None)
