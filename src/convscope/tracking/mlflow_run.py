"""MLflow: one database for all runs, written by a process of its own."""

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


class MLflowRun(Logger):
    """A Lightning logger that hands what it gets to `MLflowProcess`, and waits for nothing but the run's end.

    Args:
        process: Where the run is started.
        experiment: The run's.
        run_id: The run's.
    """

    def __init__(self, process: MLflowProcess, experiment: str, run_id: str) -> None:
        super().__init__()
        self._process = process
        self._experiment, self._run_id = experiment, run_id

    @property
    def experiment(self) -> MLflowProcess:
        """What writes the run."""
        return self._process

    @property
    def name(self) -> str:
        """The experiment's."""
        return self._experiment

    @property
    def version(self) -> str:
        """The run's id."""
        return self._run_id

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log scalars; they are written within seconds."""
        self._process.send("metrics", _scalars([(step or 0, metrics)]))

    def restore(self, kept: Sequence[Row], folder: RunFolder) -> None:
        """Log what the run may lack of what a resumed run keeps: scalars, and files, which replace their like.

        What it has beyond the scalars ``kept`` is not logged a second time.
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
        """Log a nested dict as parameters named ``group.option``; those that a resumed run has are left."""
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
) -> tuple[MLflowRun, list[str]]:
    """Start the MLflow run of ``folder``, or continue it.

    With a SQLite address the artifacts lie beside the database, in ``mlflow_artifacts``.

    Raises:
        ConnectionError: No server answers at the address.
        MLflowError: MLflow refuses.
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
    return MLflowRun(process, experiment, run_id), [f"MLflow: {view}"]
