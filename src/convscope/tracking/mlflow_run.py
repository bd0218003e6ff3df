"""MLflow: one database for all runs, few transactions, no global state."""

import logging
import os
import re
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytorch_lightning.loggers import MLFlowLogger
from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities import rank_zero_only

from convscope import hub
from convscope.tracking.flatten import flatten
from convscope.tracking.metrics_file import EVALUATION_PREFIXES
from convscope.tracking.run_folder import RunFolder

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

FLUSH_SECONDS = 2.0
BATCH = {"metrics": 1000, "params": 100}  # what MLflow takes in one call
STATUS = {"success": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
_REFUSED = re.compile(r"[^\w/. :-]")  # in names of metrics and parameters


class MLflowRun(MLFlowLogger):
    """Lightning's MLflow logger with three differences.

    It gathers scalars and writes them in one transaction every ``FLUSH_SECONDS`` (a transaction on SQLite
    takes milliseconds, a call to a server tens). It does not set the process-wide tracking address, nor the
    environment variable that MLflow sets along with it, so the next job of the process starts clean. A
    resumed run goes on with its run of before, whose parameters stay as they were: MLflow refuses to change
    them.
    """

    _pending: list[Any]

    def __init__(
        self,
        uri: str,
        *,
        experiment: str,
        run_name: str,
        tags: Mapping[str, str],
        artifacts: str | None = None,
        run_id: str | None = None,
    ) -> None:
        super().__init__(
            experiment_name=experiment,
            run_name=run_name,
            tracking_uri=uri,
            tags=dict(tags),
            artifact_location=artifacts,
            run_id=run_id,
        )
        self._pending = []
        self._flushed = time.monotonic()

    @property
    @rank_zero_experiment
    def experiment(self) -> "MlflowClient":
        """The client; the run exists once this was asked for."""
        if not self._initialized:
            self._run_id = self._resumed() or self._created()
            self._initialized = True
        return self._mlflow_client

    def _resumed(self) -> str | None:
        from mlflow.exceptions import MlflowException

        if self._run_id is None:
            return None
        try:
            self._experiment_id = self._mlflow_client.get_run(self._run_id).info.experiment_id
            self._mlflow_client.update_run(self._run_id, status="RUNNING")
        except MlflowException:
            return None  # another database, or the run was deleted there
        return self._run_id

    def _created(self) -> str:
        from mlflow.exceptions import MlflowException

        client, name = self._mlflow_client, self._experiment_name
        known = client.get_experiment_by_name(name)
        if known is None:
            try:
                created = client.create_experiment(name, artifact_location=self._artifact_location)
                self._experiment_id = str(created)
            except MlflowException:
                known = client.get_experiment_by_name(name)  # another job of a sweep may have been faster
                if known is None:
                    raise
        if known is not None:
            self._experiment_id = known.experiment_id
        run = client.create_run(str(self._experiment_id), run_name=self._run_name, tags=self.tags)
        return str(run.info.run_id)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Note scalars, to be written within seconds, or at once where they end a validation or a test."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._pending += [
            Metric(_REFUSED.sub("_", name), float(value), now, step or 0) for name, value in metrics.items()
        ]
        if any(name.startswith(EVALUATION_PREFIXES) for name in metrics):
            self._write()
        else:
            self.save()

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Log a nested dict as parameters named ``group.option``; those that the run has already are left."""
        from mlflow.entities import Param

        client, run_id = self.experiment, self.run_id
        flat = flatten(params if isinstance(params, Mapping) else vars(params))
        known = client.get_run(run_id).data.params
        new = [
            Param(key, str(value)[:6000])
            for name, value in flat.items()
            if (key := _REFUSED.sub("_", name)[:250]) not in known
        ]
        for start in range(0, len(new), BATCH["params"]):
            client.log_batch(run_id, params=new[start : start + BATCH["params"]], synchronous=True)

    @rank_zero_only
    def save(self) -> None:
        """Write the scalars that wait, where that is due: Lightning asks for it after each of them."""
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self._write()

    def _write(self) -> None:
        self._flushed = time.monotonic()
        while self._pending:
            batch = self._pending[: BATCH["metrics"]]
            self.experiment.log_batch(self.run_id, metrics=batch, synchronous=True)
            del self._pending[: len(batch)]

    @rank_zero_only
    def finalize(self, status: str = "success") -> None:
        """Write what waits and end the run."""
        if self._initialized:
            try:
                self._write()
            finally:
                self.experiment.set_terminated(self.run_id, STATUS.get(status, "FAILED"))


def start(
    folder: RunFolder,
    *,
    uri: str,
    experiment: str,
    run_name: str,
    group: str | None = None,
    tags: Sequence[str] = (),
) -> tuple[MLflowRun, list[str]]:
    """Start the MLflow run of ``folder``, or continue it.

    With a SQLite address the artifacts lie beside the database, in ``mlflow_artifacts``.

    Raises:
        ConnectionError: No server answers at the address.
    """
    artifacts = None
    if uri.startswith(("http://", "https://")):
        if not hub.reachable(uri):
            raise ConnectionError(f"{uri} cannot be reached")
        # MLflow's own limits let a server that died stop a run for many minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    elif uri.startswith("sqlite:///"):
        database = Path(uri.removeprefix("sqlite:///")).absolute()
        database.parent.mkdir(parents=True, exist_ok=True)
        uri = f"sqlite:///{database}"
        artifacts = (database.parent / "mlflow_artifacts").as_uri()
    import mlflow  # noqa: F401  (sets up its logging, which is told to be quiet below)

    for chatter in ("mlflow.store.db", "alembic"):  # a page of migrations where the database is new
        logging.getLogger(chatter).setLevel(logging.WARNING)
    known = folder.read_trackers().get("mlflow", {})
    noted_tags = {"group": group, "tags": ", ".join(tags)}
    logger = MLflowRun(
        uri,
        experiment=experiment,
        run_name=run_name,
        tags={name: value for name, value in noted_tags.items() if value},
        artifacts=artifacts,
        run_id=known.get("run_id") if known.get("uri") == uri else None,
    )
    _ = logger.experiment
    folder.note_tracker("mlflow", {"run_id": str(logger.run_id), "uri": uri})
    view = f"mlflow ui --backend-store-uri {shlex.quote(uri)}" if artifacts else uri
    return logger, [f"MLflow: {view}"]
