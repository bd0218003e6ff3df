"""A Lightning logger for MLflow, which stores all runs in one database, written by a child process."""

import posixpath
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from convscope import hub
from convscope.masking import mask_text, without_credentials
from convscope.runs.run_folder import RunFolder
from convscope.tracking.flatten import flatten
from convscope.tracking.mlflow_process import MLflowProcess, give_back, take
from convscope.tracking.replay import Row
from convscope.tracking.sections import CURVES, tracked_name


class MLflowLogger(Logger):
    """Sends everything to `MLflowProcess`, and only waits at the end of the run.

    Args:
        process: The child process, in which the run was started.
        experiment: Name of the experiment.
        run_id: Identifier of the run.
    """

    def __init__(self, process: MLflowProcess, experiment: str, run_id: str) -> None:
        super().__init__()
        self._process = process
        self._experiment, self._run_id = experiment, run_id

    @property
    def experiment(self) -> MLflowProcess:
        """The child process that writes the run."""
        return self._process

    @property
    def name(self) -> str:
        """Name of the experiment."""
        return self._experiment

    @property
    def version(self) -> str:
        """Identifier of the run."""
        return self._run_id

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log scalars, which are written within seconds."""
        self._process.send("metrics", _scalars([(step or 0, metrics)]))

    def restore(self, kept: Sequence[Row], folder: RunFolder) -> None:
        """Log the scalars and files of a resumed run again that MLflow may lack; files replace those of the same name.

        Scalars that MLflow has beyond ``kept`` are not logged again when the run repeats them.

        Args:
            kept: The scalars of the run up to its checkpoint.
            folder: The run's folder.
        """
        self._process.send("restore", _scalars(kept))
        for within, suffix in ((folder.media, ".png"), (folder.media, ".txt"), (folder.tables, ".csv")):
            for file in sorted(within.rglob(f"*{suffix}")):
                if file.stem == CURVES:
                    continue
                key = tracked_name(file.relative_to(within).as_posix().removesuffix(suffix))
                self._process.send("artifact", str(file), posixpath.dirname(key) or None)

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Log a nested dict as parameters named ``group.option``, without those that a resumed run has already."""
        self._process.send("params", flatten(params if isinstance(params, Mapping) else vars(params)))

    @rank_zero_only
    def finalize(self, status: str = "success") -> None:
        """Wait until everything is written, and end the run."""
        try:
            self._process.call("end", status)
        except BaseException:
            self._process.end()
            raise
        give_back(self._process)


def _scalars(rows: Sequence[tuple[int, Mapping[str, Any]]]) -> list[tuple[str, float, int, int]]:
    now = int(time.time() * 1000)
    return [(name, float(value), now, step) for step, values in rows for name, value in values.items()]


def start(
    folder: RunFolder,
    *,
    uri: str,
    experiment: str,
    run_name: str,
    group: str | None = None,
    tags: Sequence[str] = (),
) -> tuple[MLflowLogger, list[str]]:
    """Start the MLflow run of ``folder``, or continue it.

    With an SQLite address, the artifacts are in ``mlflow_artifacts``, in the folder of the database.

    Args:
        folder: The run's folder.
        uri: Address of the store.
        experiment: Name of the experiment.
        run_name: Name of the run.
        group: Group of runs that belong together.
        tags: Tags of the run.

    Returns:
        The logger, and a notice for the user: how to see the run.

    Raises:
        ConnectionError: No server answers at the address.
        MLflowError: MLflow cannot start the run.
    """
    artifacts = None
    if uri.startswith(("http://", "https://")):
        if not hub.reachable(uri):
            raise ConnectionError(f"{uri} {hub.reachable.fault(uri)}")
    elif uri.startswith("sqlite:///"):
        database = Path(uri.removeprefix("sqlite:///")).absolute()
        database.parent.mkdir(parents=True, exist_ok=True)
        uri = f"sqlite:///{database}"
        artifacts = (database.parent / "mlflow_artifacts").as_uri()
    known = folder.read_trackers().get("mlflow", {})
    noted_tags = {"group": group, "tags": ", ".join(tags)}
    process = take()
    try:
        run_id = process.call(
            "start",
            uri,
            experiment,
            run_name,
            {name: value for name, value in noted_tags.items() if value},
            artifacts,
            known.get("run_id")
            if without_credentials(known.get("uri", "")) == without_credentials(mask_text(uri))
            else None,
        )
    except BaseException:
        process.end()
        raise
    folder.note_tracker("mlflow", {"run_id": run_id, "uri": uri})
    view = f"mlflow ui --backend-store-uri {shlex.quote(uri)}" if artifacts else uri
    return MLflowLogger(process, experiment, run_id), [f"MLflow: {view}"]
