"""One run of MLflow, written with few transactions; in the process that has imported MLflow."""

import contextlib
import importlib
import logging
import pickle
import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from convscope.tracking.mlflow_store import PatientClient, exclusive_setup, open_client
from convscope.tracking.replay import Replay

if TYPE_CHECKING:
    import numpy as np

FLUSH_SECONDS = 2.0
BATCH = {"metrics": 1000, "params": 100}  # what MLflow takes in one call
STATUS = {"success": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
MODEL_NAME = "network"
FOR_NETWORKS = ("torch", "mlflow.pytorch", "torch._dynamo", "convscope.lean_timm")  # most are timm's
REQUIRED = ("torch", "numpy")  # what an exported program runs on
# MLflow imports them, for five seconds, to log what Lightning trains, which is not done here.
ABSENT = ("lightning", "pytorch_lightning")
_REFUSED = re.compile(r"[^\w/. :-]")  # in names of metrics and parameters

Scalar = tuple[str, float, int, int]  # name, value, milliseconds since 1970, step


class Writer:
    """Writes one run at a time, with few transactions: on SQLite one takes milliseconds, on a server tens."""

    def __init__(self) -> None:
        self._client: PatientClient
        self._run_id = ""
        self._pending: list[Scalar] = []
        self._replay = Replay()
        self._flushed = time.monotonic()
        self.wanted: list[str] = []

    @property
    def due(self) -> float | None:
        """Seconds until scalars that wait have to be written; None where none wait."""
        return max(0.0, self._flushed + FLUSH_SECONDS - time.monotonic()) if self._pending else None

    def prepare(self, uri: str, networks: bool) -> None:
        """Import what a run at ``uri`` needs, and, for ``networks``, when there is time, what keeping one takes."""
        importlib.import_module("mlflow.tracking")
        if not uri.startswith("http"):
            importlib.import_module("mlflow.store.tracking.sqlalchemy_store")
        self.wanted = [*FOR_NETWORKS] if networks else []

    def import_next(self) -> None:
        """Import one of the modules that are going to be wanted."""
        with contextlib.suppress(ImportError):  # who wants it will say so
            _import(self.wanted.pop(0))

    def start(
        self,
        uri: str,
        experiment: str,
        run_name: str,
        tags: Mapping[str, str],
        artifacts: str | None,
        run_id: str | None,
    ) -> str:
        """Create a run, or go on with ``run_id``, where that is there. Returns the run's id."""
        importlib.import_module("mlflow.tracking")  # sets its logging up
        # Else a page of migrations where the database is new, and hints that are not for the user of this program.
        for chatter in ("mlflow", "mlflow.store.db", "alembic"):
            logging.getLogger(chatter).setLevel(logging.ERROR)

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
        """Log parameters; those that the run has already are left, which MLflow refuses to change."""
        from mlflow.entities import Param

        known = self._client.get_run(self._run_id).data.params
        new = [
            Param(key, str(value)[:6000])
            for name, value in params.items()
            if (key := _REFUSED.sub("_", name)[:250]) not in known
        ]
        for start in range(0, len(new), BATCH["params"]):
            self._client.log_batch(self._run_id, params=new[start : start + BATCH["params"]], synchronous=True)

    def metrics(self, scalars: Sequence[Scalar]) -> None:
        """Note scalars, to be written within ``FLUSH_SECONDS``; not those that a resumed run had."""
        if not self._pending:
            self._flushed = time.monotonic()
        self._pending += [scalar for scalar in scalars if self._replay.new({_key(scalar[0]): 0}, scalar[3])]

    def restore(self, kept: Sequence[Scalar]) -> None:
        """Note what the run lacks of the scalars that a resumed run keeps, and what it has beyond them."""
        keys = self._client.get_run(self._run_id).data.metrics
        history = (point for key in keys for point in self._client.get_metric_history(self._run_id, key))
        self._replay = Replay((point.key, point.step) for point in history)
        self.metrics(kept)

    def flush(self) -> None:
        """Write the scalars that wait."""
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
        """Forget the scalars that wait: of a store that failed nothing is due any more."""
        self._pending = []

    def artifact(self, file: str, section: str | None) -> None:
        """Keep a copy of a file, in the folder ``section``."""
        self._client.log_artifact(self._run_id, file, section)

    def text(self, text: str, file: str) -> None:
        """Keep a text as a file."""
        self._client.log_text(self._run_id, text, file)

    def model(self, pickled: bytes, example: "np.ndarray") -> str | None:
        """Keep a network as a model of the run, with its signature: any number of inputs like ``example``'s.

        It is kept as an exported program (``torch.export``), which loads without pickle and without convscope.

        Args:
            pickled: The network, on the CPU, in eval mode.
            example: At least two inputs, such as (2, C, H, W) float32; one alone would fix the batch at 1.

        Returns:
            Why it is not kept, where it cannot be loaded here, or exported.
        """
        try:
            network = pickle.loads(pickled)
        except Exception as error:  # of a class that only the program of the training knows
            return f"MLflow keeps no model: its process cannot load the network ({error})"[:300]
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
            return None  # by a process that was killed afterwards; the weights are the same
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
                    # Told, since MLflow would find out by starting another Python that loads the network.
                    pip_requirements=[f"{name}=={metadata.version(name)}" for name in REQUIRED],
                    serialization_format="pt2",
                )
                client.log_model_artifacts(kept.model_id, place)
            status = "READY"
        except MlflowException:
            raise
        except Exception as error:  # of the export: the tracker itself is well
            return f"MLflow keeps no model: the network cannot be exported ({error})"[:300]
        finally:
            client.finalize_logged_model(kept.model_id, status)
        client.log_outputs(run_id, [LoggedModelOutput(kept.model_id, 0)])
        return None

    def end(self, status: str) -> None:
        """Write what waits and end the run."""
        try:
            self.flush()
        finally:
            self._client.set_terminated(self._run_id, STATUS.get(status, "FAILED"))


def _key(name: str) -> str:
    return _REFUSED.sub("_", name)


def _import(name: str) -> None:
    absent = [module for module in ABSENT if module not in sys.modules]
    # None is Python's own way to say that there is no such module.
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        importlib.import_module(name)
    finally:
        for module in absent:
            del sys.modules[module]
