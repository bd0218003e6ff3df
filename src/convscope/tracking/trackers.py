"""Starts and closes the trackers of a run."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from convscope.composition.instantiation import call_with_named
from convscope.config.logger import LOGGERS, TrackerConfig
from convscope.masking import mask, mask_text
from convscope.runs.metrics_csv import rows_by_step
from convscope.runs.position import StageOffset
from convscope.runs.run_folder import RunFolder
from convscope.tracking.choice import choose_trackers
from convscope.tracking.csv_logger import MetricsCSVLogger
from convscope.tracking.guard import GuardedLogger
from convscope.tracking.replay import Row
from convscope.tracking.tracker import Tracker

METRICS = "metrics.csv"  # key of the marks: number of rows of metrics.csv
ROWS = "rows"  # key of the marks: how many rows of metrics.csv each tracker has
OUTPUTS = "outputs"  # where the runs lie by default


def build_loggers(
    requested: Mapping[str, TrackerConfig],
    folder: RunFolder,
    *,
    run_name: str,
    outputs: str | Path = OUTPUTS,
    group: str | None = None,
    tags: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
    marks: Mapping[str, Any] | None = None,
    further: Callable[[], Mapping[str, Logger]] = dict,
) -> tuple[list[Logger], list[str]]:
    """Start the trackers of a run. The logger of ``metrics.csv`` is always one of them, and the first.

    A tracker that cannot start is left out, with a notice. On ranks other than 0 no tracker is started.

    Args:
        requested: The settings of each tracker, by its name.
        folder: The run's folder, which exists.
        run_name: Name of the run in the trackers.
        outputs: The folder of all runs.
        group: Group of runs that belong together, such as those of a sweep.
        tags: Tags of the run.
        config: The resolved configuration as plain containers, which is logged to every tracker.
        marks: For a resumed run, the value of `read_marks` in its checkpoint; empty if it has no checkpoint. What was
            logged after the checkpoint is deleted, since the run logs it again. A tracker from which nothing can be
            deleted does not get it twice. Each tracker gets the scalars that it lacks.
        further: Returns loggers of the user's own by name, which get scalars and the configuration.

    Returns:
        The loggers for a Lightning trainer, and notices for the user: where to find the run, and what is offline and
        why.

    Raises:
        UserError: The package of a tracker is not installed, or what builds it cannot be imported.
    """
    chosen = choose_trackers(requested)
    position = StageOffset()
    metrics = MetricsCSVLogger(folder.metrics_file, position=position)
    loggers: list[Logger] = [metrics]
    notices: list[str] = []
    if getattr(rank_zero_only, "rank", 0) != 0:
        return loggers, notices
    builders = {name: LOGGERS.builder(name) for name in chosen}
    own_loggers = further()
    kept: list[Row] | None = None
    if marks is not None:
        metrics.continue_from(marks.get(METRICS, 0))
        kept = rows_by_step(folder.metrics_file)
    for name, settings in chosen.items():
        label = settings.label or name
        try:
            tracker: Tracker = call_with_named(
                builders[name],
                settings=settings,
                folder=folder,
                run_name=run_name,
                group=mask(group),
                tags=mask(tags),
                outputs=outputs,
                config=mask(config),
                kept=kept,
                missed=_missed_rows(label, marks, kept),
                mark=None if marks is None else marks.get(label, {}),
            )
        except Exception as error:
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            notices.append(f"{name} could not start ({reason}). The run goes on; metrics.csv has every scalar.")
            continue
        notices += tracker.notices
        if tracker.logger is not None:
            loggers.append(GuardedLogger(label, tracker.logger, tracker.finish, position, tracker.adapter))
    loggers += [GuardedLogger(name, own, position=position) for name, own in own_loggers.items()]
    if config is not None:
        for logger in loggers[1:]:
            logger.log_hyperparams(mask(config))
    return loggers, [mask_text(notice) for notice in notices]


def _missed_rows(label: str, marks: Mapping[str, Any] | None, kept: Sequence[Row] | None) -> Sequence[Row]:
    """Return the rows that were logged while the tracker was off; none if the marks do not have that number."""
    rows = None if marks is None else marks.get(ROWS)
    return [] if kept is None or rows is None else kept[rows.get(label, 0) :]


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
