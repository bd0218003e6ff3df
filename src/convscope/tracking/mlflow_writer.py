"""Writes runs to MLflow with few transactions, in the child process."""

import contextlib
import importlib
import logging
import pickle
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from convscope.tracking.mlflow_store import PatientClient, exclusive_setup, open_client
from convscope.tracking.replay import Replay
from convscope.without_imports import without_imports

if TYPE_CHECKING:
    import numpy as np

FLUSH_SECONDS = 2.0
BATCH = {"metrics": 1000, "params": 100}  # MLflow's limits for one call
STATUS = {"success": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
MODEL_NAME = "network"
FOR_NETWORKS = ("torch", "mlflow.pytorch", "torch._dynamo", "convscope.lean_timm")  # most networks are from timm
REQUIRED = ("torch", "numpy")  # packages that an exported program needs
# Both are Lightning, which MLflow imports for automatic logging. That is not used here; without it, `mlflow.pytorch`
# takes 3.2 instead of 5.8 s of CPU time, after PyTorch.
UNUSED = ("lightning", "pytorch_lightning")
_INVALID_CHARACTER = re.compile(r"[^\w/. :-]")  # in names of metrics and parameters

Scalar = tuple[str, float, int, int]  # name, value, milliseconds since 1970, step


class Writer:
    """Writes one run at a time, with few transactions: one takes milliseconds on SQLite, tens of them on a server.

    Attributes:
        pending_imports: Modules that a later call needs, to import while there is nothing else to do.
    """

    def __init__(self) -> None:
        self._client: PatientClient
        self._run_id = ""
        self._pending: list[Scalar] = []
        self._replay = Replay()
        self._flushed = time.monotonic()
        self.pending_imports: list[str] = []

    @property
    def due(self) -> float | None:
        """Seconds until the pending scalars have to be written; None if there are none."""
        return max(0.0, self._flushed + FLUSH_SECONDS - time.monotonic()) if self._pending else None

    def prepare(self, uri: str, networks: bool) -> None:
        """Import the modules that a run at ``uri`` needs.

        If ``networks``, the modules for storing a network are imported later, when there is nothing else to do.
        """
        importlib.import_module("mlflow.tracking")
        if not uri.startswith("http"):
            importlib.import_module("mlflow.store.tracking.sqlalchemy_store")
        self.pending_imports = [*FOR_NETWORKS] if networks else []

    def import_next(self) -> None:
        """Import the next of ``pending_imports``."""
        with contextlib.suppress(ImportError):  # the code that needs the module will raise it again
            _import(self.pending_imports.pop(0))

    def start(
        self,
        uri: str,
        experiment: str,
        run_name: str,
        tags: Mapping[str, str],
        artifacts: str | None,
        run_id: str | None,
    ) -> str:
        """Create a run, or continue ``run_id`` if the store has it; return the run's id."""
        importlib.import_module("mlflow.tracking")  # configures the loggers, which are changed below
        # Otherwise they would print the migrations of a new database, and hints that are not for our users.
        for name in ("mlflow", "mlflow.store.db", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)

        self._pending, self._replay = [], Replay()
        with exclusive_setup(uri):
            self._client = open_client(uri)
            self._run_id = self._resumed(run_id) or self._created(experiment, run_name, tags, artifacts)
        return self._run_id

    def _resumed(self, run_id: str | None) -> str | None:
        from mlflow.exceptions import MlflowException

        if run_id is None:
            return None
        try:
            self._client.update_run(run_id, status="RUNNING")
        except MlflowException:
            return None  # another database, or the run was deleted there
        return run_id

    def _created(self, experiment: str, run_name: str, tags: Mapping[str, str], artifacts: str | None) -> str:
        from mlflow.exceptions import MlflowException

        known = self._client.get_experiment_by_name(experiment)
        if known is None:
            try:
                number = self._client.create_experiment(experiment, artifact_location=artifacts)
            except MlflowException:
                known = self._client.get_experiment_by_name(experiment)  # another job of a sweep may have been faster
                if known is None:
                    raise
        run = self._client.create_run(
            number if known is None else known.experiment_id, run_name=run_name, tags=dict(tags)
        )
        return str(run.info.run_id)

    def params(self, params: Mapping[str, Any]) -> None:
        """Log parameters, without those that the run has already, since MLflow refuses to change them."""
        from mlflow.entities import Param

        known = self._client.get_run(self._run_id).data.params
        new = [
            Param(key, str(value)[:6000])
            for name, value in params.items()
            if (key := _INVALID_CHARACTER.sub("_", name)[:250]) not in known
        ]
        for start in range(0, len(new), BATCH["params"]):
            self._client.log_batch(self._run_id, params=new[start : start + BATCH["params"]], synchronous=True)

    def metrics(self, scalars: Sequence[Scalar]) -> None:
        """Add scalars, which are written within ``FLUSH_SECONDS``, without those that a resumed run has already."""
        if not self._pending:
            self._flushed = time.monotonic()
        self._pending += [scalar for scalar in scalars if self._replay.new({_key(scalar[0]): 0}, scalar[3])]

    def restore(self, kept: Sequence[Scalar]) -> None:
        """Add those of the scalars ``kept`` by a resumed run that MLflow lacks.

        Scalars that MLflow has beyond them are remembered, so that they are not logged twice.
        """
        keys = self._client.get_run(self._run_id).data.metrics
        history = (point for key in keys for point in self._client.get_metric_history(self._run_id, key))
        self._replay = Replay((point.key, point.step) for point in history)
        self.metrics(kept)

    def flush(self) -> None:
        """Write the pending scalars."""
        from mlflow.entities import Metric

        self._flushed = time.monotonic()
        while self._pending:
            batch = [
                Metric(_key(name), value, milliseconds, step)
                for name, value, milliseconds, step in self._pending[: BATCH["metrics"]]
            ]
            self._client.log_batch(self._run_id, metrics=batch, synchronous=True)
            del self._pending[: len(batch)]

    def discard(self) -> None:
        """Drop the pending scalars, after the store has failed."""
        self._pending = []

    def artifact(self, file: str, section: str | None) -> None:
        """Store a copy of a file in the artifact folder ``section``."""
        self._client.log_artifact(self._run_id, file, section)

    def text(self, text: str, file: str) -> None:
        """Store a text as an artifact."""
        self._client.log_text(self._run_id, text, file)

    def model(self, pickled: bytes, example: "np.ndarray") -> str | None:
        """Store a network as a model of the run, with a signature for batches of any size.

        It is stored as an exported program (``torch.export``), which loads without pickle and without convscope.

        Args:
            pickled: The pickled network, on the CPU, in eval mode.
            example: A batch of at least two inputs, such as (2, C, H, W) float32; with one input, ``torch.export``
                would fix the batch size at 1.

        Returns:
            A warning if the network cannot be loaded or exported, and is not stored; else None.
        """
        try:
            network = pickle.loads(pickled)
        except Exception as error:  # its class exists only in the training program
            return f"the network is not stored in MLflow: its process cannot load it ({error})"[:300]
        _import("mlflow.pytorch")
        import mlflow.pytorch
        import torch
        from mlflow.entities import LoggedModelOutput
        from mlflow.exceptions import MlflowException
        from mlflow.models import Model
        from mlflow.models.signature import ModelSignature
        from mlflow.types import Schema, TensorSpec

        client, run_id = self._client, self._run_id
        with torch.no_grad():
            logits = network(torch.from_numpy(example)).numpy()
        signature = ModelSignature(
            Schema([TensorSpec(example.dtype, (-1, *example.shape[1:]))]),
            Schema([TensorSpec(logits.dtype, (-1, *logits.shape[1:]))]),
        )
        run = client.get_run(run_id)
        if run.outputs is not None and run.outputs.model_outputs:
            return None  # a process that was killed afterwards has stored the same weights
        experiment = run.info.experiment_id
        kept = client.create_logged_model(experiment, name=MODEL_NAME, source_run_id=run_id)
        status: Literal["READY", "FAILED"] = "FAILED"
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
                    # Given, since MLflow would otherwise start another Python that loads the network to find them.
                    pip_requirements=[f"{name}=={metadata.version(name)}" for name in REQUIRED],
                    serialization_format="pt2",
                )
                client.log_model_artifacts(kept.model_id, place)
            status = "READY"
        except MlflowException:
            raise
        except Exception as error:  # raised by the export; the tracker itself works
            return f"the network is not stored in MLflow: it cannot be exported ({error})"[:300]
        finally:
            client.finalize_logged_model(kept.model_id, status)
        client.log_outputs(run_id, [LoggedModelOutput(kept.model_id, 0)])
        return None

    def end(self, status: str) -> None:
        """Write the pending scalars and end the run."""
        try:
            self.flush()
        finally:
            self._client.set_terminated(self._run_id, STATUS.get(status, "FAILED"))


def _key(name: str) -> str:
    return _INVALID_CHARACTER.sub("_", name)


def _import(name: str) -> None:
    try:
        with without_imports(*UNUSED):
            importlib.import_module(name)
    except ImportError:
        importlib.import_module(name)
