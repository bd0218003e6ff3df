"""Chooses, starts and closes the trackers of a run."""

import importlib.util
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from convscope.errors import UserError
from convscope.masking import mask, mask_text
from convscope.runs.files import readable_path
from convscope.runs.metrics_csv import rows_by_step
from convscope.runs.position import StageOffset
from convscope.runs.run_folder import RunFolder
from convscope.tracking import mlflow_logger, wandb_run, wandb_settings
from convscope.tracking.csv_logger import MetricsCSVLogger
from convscope.tracking.guard import GuardedLogger
from convscope.tracking.replay import Row
from convscope.tracking.tensorboard_logger import ResumableTensorBoardLogger

TRACKERS = ("csv", "tensorboard", "wandb", "mlflow")
METRICS = "metrics.csv"  # key of the marks: number of rows of metrics.csv
ROWS = "rows"  # key of the marks: how many rows of metrics.csv each tracker has
DEFAULT_MLFLOW_URI = "sqlite:///outputs/mlflow.db"
INSTALL = {
    "mlflow": "install it with: pip install 'convscope[mlflow]' (here: make setup extras=mlflow)",
    "wandb": "install it with: pip install wandb",
    "tensorboard": "install it with: pip install tensorboard",
}

_Started = tuple[GuardedLogger, list[str]]


def choose_trackers(names: Sequence[str]) -> list[str]:
    """Return ``names`` without repetitions, with ``auto`` replaced by wandb if it has a key, else by TensorBoard.

    Raises:
        UserError: A name is unknown, or the tracker's package is not installed.
    """
    chosen: list[str] = []
    for name in names:
        if name == "auto":
            usable = wandb_settings.key_configured() and wandb_settings.requested_mode() != "disabled"
            name = "wandb" if usable and _installed("wandb") else "tensorboard"
        if name not in TRACKERS:
            raise UserError(f"No tracker is named {name!r}; there are {', '.join(TRACKERS)} and auto.")
        if name in INSTALL and not _installed(name):
            raise UserError(f"logger={name} needs the package {name}; {INSTALL[name]}")
        if name not in chosen:
            chosen.append(name)
    return chosen


def build_loggers(
    names: Sequence[str],
    folder: RunFolder,
    *,
    project: str,
    run_name: str,
    group: str | None = None,
    tags: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
    entity: str | None = None,
    wandb_mode: wandb_run.Mode = "auto",
    mlflow_uri: str | None = None,
    marks: Mapping[str, Any] | None = None,
    further: Callable[[], Mapping[str, Logger]] = dict,
) -> tuple[list[Logger], list[str]]:
    """Start the trackers of a run. The logger of ``metrics.csv`` is always one of them, and the first.

    A tracker that cannot start is left out, with a notice. On ranks other than 0 no tracker is started.

    Args:
        names: Any of ``csv``, ``tensorboard``, ``wandb``, ``mlflow`` and ``auto``.
        folder: The run's folder, which exists.
        project: Project in wandb, experiment in MLflow.
        run_name: Name of the run in the trackers.
        group: Group of runs that belong together, such as those of a sweep.
        tags: Tags of the run.
        config: The resolved configuration as plain containers, which is logged to every tracker.
        entity: User or team of wandb.
        wandb_mode: ``auto`` is offline if there is no key or no network; ``online`` does not check the network.
        mlflow_uri: Address of MLflow's store; default: ``$MLFLOW_TRACKING_URI``, else ``DEFAULT_MLFLOW_URI``.
        marks: For a resumed run, the value of `read_marks` in its checkpoint; empty if it has no checkpoint. What was
            logged after the checkpoint is deleted, since the run logs it again. A tracker from which nothing can be
            deleted does not get it twice. Each tracker gets the scalars that it lacks.

        further: Returns loggers of the user's own by name, which get scalars and the configuration.

    Returns:
        The loggers for a Lightning trainer, and notices for the user: where to find the run, and what is offline and
        why.

    Raises:
        UserError: A name is unknown, or the tracker's package is not installed.
    """
    tags, group = mask(tags), mask(group)
    chosen = choose_trackers([names] if isinstance(names, str) else names)
    position = StageOffset()
    metrics = MetricsCSVLogger(folder.metrics_file, position=position)
    loggers: list[Logger] = [metrics]
    notices: list[str] = []
    if getattr(rank_zero_only, "rank", 0) != 0:
        return loggers, notices
    kept: list[Row] | None = None
    if marks is not None:
        metrics.continue_from(marks.get(METRICS, 0))
        kept = rows_by_step(folder.metrics_file)

    def missed_rows(label: str) -> list[Row]:
        """Return the rows that were logged while the tracker was off; none if the marks do not have that number."""
        rows = None if marks is None else marks.get(ROWS)
        return [] if kept is None or rows is None else kept[rows.get(label, 0) :]

    def tensorboard() -> _Started:
        mark = None if marks is None else marks.get("TensorBoard", {})
        logger = ResumableTensorBoardLogger(folder.path / "tensorboard", mark=mark)
        _ = logger.experiment
        missed = missed_rows("TensorBoard") if mark else kept or []
        for step, values in missed:
            logger.log_metrics(values, step)
        return GuardedLogger("TensorBoard", logger, position=position), [
            f"TensorBoard: tensorboard --logdir {readable_path(logger.log_dir)}",
            *_missed_notice("TensorBoard", missed, folder),
        ]

    def wandb() -> _Started:
        logger, new_notices = wandb_run.start(
            folder, project=project, run_name=run_name, entity=entity, group=group, tags=tags, mode=wandb_mode,
            kept=kept,
        )  # fmt: skip
        new_notices += _missed_notice("wandb", missed_rows("wandb"), folder)
        return GuardedLogger("wandb", logger, lambda status: wandb_run.finish(logger, status), position), new_notices

    def mlflow() -> _Started:
        logger, new_notices = mlflow_logger.start(
            folder,
            uri=mlflow_uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_MLFLOW_URI,
            experiment=project,
            run_name=run_name,
            group=group,
            tags=tags,
        )
        if kept is not None:
            logger.restore(kept, folder)
        return GuardedLogger("MLflow", logger, position=position), new_notices

    start: dict[str, Callable[[], _Started]] = {"tensorboard": tensorboard, "wandb": wandb, "mlflow": mlflow}
    for name in chosen:
        if name == "csv":
            continue
        if name == "wandb" and wandb_settings.requested_mode() == "disabled":
            notices.append("wandb is off, as WANDB_MODE or `wandb disabled` requests.")
            continue
        try:
            logger, new_notices = start[name]()
        except Exception as error:
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            notices.append(f"{name} could not start ({reason}). The run goes on; metrics.csv has every scalar.")
            continue
        loggers.append(logger)
        notices += new_notices
        if config is not None:
            logger.log_hyperparams(mask(config))
    for name, own in further().items():
        guarded = GuardedLogger(name, own, position=position)
        loggers.append(guarded)
        if config is not None:
            guarded.log_hyperparams(mask(config))
    return loggers, [mask_text(notice) for notice in notices]


def read_marks(loggers: Sequence[Logger], before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Force everything that was logged to the disk, and return how much that is for each tracker, as plain values.

    A checkpoint keeps these marks, and a resumed run passes them to `build_loggers`.

    Args:
        loggers: The loggers of :func:`build_loggers`.
        before: The marks of the previous checkpoint, if any, also one of an earlier process. A tracker that has been
            left out or has failed since then keeps its mark, and continues from it when it is on again.
    """
    marks: dict[str, Any] = dict(before or {})
    rows = dict(marks.get(ROWS, {}))
    for logger in loggers:
        if isinstance(logger, MetricsCSVLogger):
            marks[METRICS] = logger.mark()
        elif isinstance(logger, GuardedLogger):
            if hasattr(logger.inner, "mark"):
                mark = logger.attempt(lambda inner: inner.mark())
                if mark is not None:
                    marks[logger.label] = mark
            if logger.enabled:
                rows[logger.label] = marks[METRICS]
    marks[ROWS] = rows
    return marks


def close(loggers: Sequence[Logger], status: str) -> list[str]:
    """End every tracker's run. It never raises, for use in a ``finally``, and a second call does nothing.

    Args:
        loggers: The loggers of :func:`build_loggers`.
        status: "success", "failed" or "interrupted".

    Returns:
        One sentence for each tracker that failed during the run or now.
    """
    for logger in loggers:
        if isinstance(logger, GuardedLogger):
            logger.close(status)
        else:
            try:
                logger.finalize(status)
            except Exception as error:
                warnings.warn(mask_text(f"{type(logger).__name__} could not be closed: {error}"), stacklevel=2)
    return [
        f"{logger.label} failed: {logger.failure}"
        for logger in loggers
        if isinstance(logger, GuardedLogger) and logger.failure
    ]


def _missed_notice(label: str, missed: Sequence[Row], folder: RunFolder) -> list[str]:
    if not missed:
        return []
    return [
        f"{label} was off for part of this run. Its scalars were added; the figures and tables of that part are only "
        f"in {folder.path}"
    ]


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
