"""Lets a run go on when a tracker fails."""

import contextlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pytorch_lightning.loggers import Logger
from pytorch_lightning.loggers.logger import DummyExperiment
from pytorch_lightning.utilities import rank_zero_only
from typing_extensions import override

from convscope.masking import mask_text
from convscope.runs.position import StageOffset
from convscope.tracking.adapter import Adapter

Result = TypeVar("Result")


class GuardedLogger(Logger):
    """Forwards all calls to the logger ``inner`` until one of them raises; then warns and ignores further calls.

    Lightning finalizes its loggers at the end of every ``fit`` and every ``test``. A tracker that closed its run then
    would lose what is logged later. Therefore ``finalize`` only saves, and :meth:`close` ends the tracker's run.

    Args:
        label: The tracker's name in messages.
        inner: The wrapped logger.
        terminate: Called with the status after ``inner`` was finalized for the last time.
        position: Steps and epochs of earlier stages; None for a run of one stage.
        adapter: Takes what is no scalar; None if the tracker takes scalars alone.

    Attributes:
        failure: The error that switched the tracker off; None if none did.
    """

    def __init__(
        self,
        label: str,
        inner: Logger,
        terminate: Callable[[str], None] | None = None,
        position: StageOffset | None = None,
        adapter: Adapter | None = None,
    ) -> None:
        super().__init__()
        self.position = position or StageOffset()
        self.adapter = adapter
        self.label = label
        self.inner = inner
        self.failure: str | None = None
        self._terminate = terminate
        self._closed = False

    @property
    def enabled(self) -> bool:
        """Whether the tracker is still on: it has not failed and is not closed."""
        return self.failure is None and not self._closed

    def attempt(self, action: Callable[[Any], Result]) -> Result | None:
        """Return ``action(inner)``; None if the tracker is off or fails in this call."""
        if not self.enabled:
            return None
        try:
            return action(self.inner)
        except Exception as error:
            self._switch_off(error)
            return None

    def _switch_off(self, error: BaseException) -> None:
        while error.__cause__ is not None:  # Lightning raises "not supported" because of a full disk
            error = error.__cause__
        reason = mask_text(" ".join(str(error).split()))[:200]
        self.failure = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
        warnings.warn(
            f"{self.label} failed and is off for the rest of this run ({self.failure}). "
            "The run goes on; metrics.csv has every scalar.",
            stacklevel=3,
        )

    @property
    @override
    def name(self) -> str | None:
        return self.attempt(lambda inner: inner.name)

    @property
    @override
    def version(self) -> int | str | None:
        return self.attempt(lambda inner: inner.version)

    @property
    @override
    def save_dir(self) -> str | None:
        return self.attempt(lambda inner: inner.save_dir)

    @property
    @override
    def log_dir(self) -> str | None:
        return self.attempt(lambda inner: inner.log_dir)

    @property
    @override
    def root_dir(self) -> str | None:
        return self.attempt(lambda inner: inner.root_dir)

    @property
    def experiment(self) -> Any:
        """The tracker's own object; a dummy that ignores every call if the tracker is off, or has no such object."""
        experiment = self.attempt(lambda inner: getattr(inner, "experiment", None))
        return DummyExperiment() if experiment is None else experiment

    @rank_zero_only
    @override
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        metrics, step = self.position.metrics(metrics), self.position.step(step)
        self.attempt(lambda inner: inner.log_metrics(metrics, step=step))

    @rank_zero_only
    @override
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        self.attempt(lambda inner: inner.log_hyperparams(params, *args, **kwargs))

    @rank_zero_only
    @override
    def log_graph(self, *args: Any, **kwargs: Any) -> None:
        self.attempt(lambda inner: inner.log_graph(*args, **kwargs))

    @rank_zero_only
    @override
    def save(self) -> None:
        self.attempt(lambda inner: inner.save())

    @rank_zero_only
    @override
    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        self.attempt(lambda inner: inner.after_save_checkpoint(checkpoint_callback))

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Save what the tracker has in memory; its run stays open until :meth:`close`."""
        self.save()

    def close(self, status: str) -> None:
        """End the tracker's run with ``status`` ("success", "failed" or "interrupted"). A second call does nothing.

        This is also tried for a tracker that failed. If its server works again, the run does not stay marked as
        running.
        """
        if self._closed:
            return
        failed_before, self.failure = self.failure, None

        def finish(inner: Logger) -> None:
            try:
                inner.finalize(status)
            finally:
                if self._terminate is not None:
                    self._terminate(status)

        try:
            if failed_before is None:
                self.attempt(finish)
            else:
                with contextlib.suppress(Exception):  # the user was already warned about this tracker
                    finish(self.inner)
        finally:
            self.failure = self.failure or failed_before
            self._closed = True
