"""A tracker may fail; the run may not."""

import contextlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pytorch_lightning.loggers import Logger
from pytorch_lightning.loggers.logger import DummyExperiment
from pytorch_lightning.utilities import rank_zero_only

from convscope.masking import mask_text
from convscope.runs.position import Position

Result = TypeVar("Result")


class GuardedLogger(Logger):
    """Hands everything to ``inner`` until that fails once; then warns, names the tracker, and switches it
    off.

    Lightning finalizes its loggers at the end of every ``fit`` and every ``test``. A tracker whose run is
    closed then would lose what comes later, so ``finalize`` only saves here and :meth:`close` ends the
    tracker's run.

    Args:
        label: The tracker's name in messages.
        inner: The logger that does the work.
        terminate: Called with the status after ``inner`` was finalized for the last time.
        position: Where the stage begins whose trainer logs.
    """

    def __init__(
        self,
        label: str,
        inner: Logger,
        terminate: Callable[[str], None] | None = None,
        position: Position | None = None,
    ) -> None:
        super().__init__()
        self.position = position or Position()
        self.label = label
        self.inner = inner
        self.failure: str | None = None
        self._terminate = terminate
        self._closed = False

    @property
    def enabled(self) -> bool:
        """Whether the tracker still takes what it is given."""
        return self.failure is None and not self._closed

    def attempt(self, action: Callable[[Any], Result]) -> Result | None:
        """``action(inner)``; None where the tracker is off, or failed just now."""
        if not self.enabled:
            return None
        try:
            return action(self.inner)
        except Exception as error:
            self._switch_off(error)
            return None

    def _switch_off(self, error: BaseException) -> None:
        while error.__cause__ is not None:  # Lightning says "not supported" where the disk is full
            error = error.__cause__
        reason = mask_text(" ".join(str(error).split()))[:200]
        self.failure = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
        warnings.warn(
            f"{self.label} failed and is off for the rest of this run ({self.failure}). "
            "The run goes on; metrics.csv has every scalar.",
            stacklevel=3,
        )

    @property
    def name(self) -> str | None:
        """The inner logger's name."""
        return self.attempt(lambda inner: inner.name)

    @property
    def version(self) -> int | str | None:
        """The inner logger's version."""
        return self.attempt(lambda inner: inner.version)

    @property
    def save_dir(self) -> str | None:
        """The inner logger's folder."""
        return self.attempt(lambda inner: inner.save_dir)

    @property
    def log_dir(self) -> str | None:
        """The inner logger's folder of this version."""
        return self.attempt(lambda inner: inner.log_dir)

    @property
    def root_dir(self) -> str | None:
        """The inner logger's root folder."""
        return self.attempt(lambda inner: inner.root_dir)

    @property
    def experiment(self) -> Any:
        """The tracker's own object; one that swallows every call where the tracker is off."""
        experiment = self.attempt(lambda inner: inner.experiment)
        return DummyExperiment() if experiment is None else experiment

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log scalars."""
        metrics, step = self.position.metrics(metrics), self.position.step(step)
        self.attempt(lambda inner: inner.log_metrics(metrics, step=step))

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Log the configuration."""
        self.attempt(lambda inner: inner.log_hyperparams(params, *args, **kwargs))

    @rank_zero_only
    def log_graph(self, *args: Any, **kwargs: Any) -> None:
        """Log the network's graph, where the tracker can."""
        self.attempt(lambda inner: inner.log_graph(*args, **kwargs))

    @rank_zero_only
    def save(self) -> None:
        """Write what the tracker holds back."""
        self.attempt(lambda inner: inner.save())

    @rank_zero_only
    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """Tell the tracker of a new checkpoint."""
        self.attempt(lambda inner: inner.after_save_checkpoint(checkpoint_callback))

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what the tracker holds back; its run stays open until :meth:`close`."""
        self.save()

    def close(self, status: str) -> None:
        """End the tracker's run with ``status`` ("success", "failed" or "interrupted"). The second call does
        nothing.

        A tracker that had failed is told too: it may have come back, and then its run does not look alive for
        ever.
        """
        if self._closed:
            return
        failed_before, self.failure = self.failure, None

        def end(inner: Logger) -> None:
            try:
                inner.finalize(status)
            finally:
                if self._terminate is not None:
                    self._terminate(status)

        try:
            if failed_before is None:
                self.attempt(end)
            else:
                with contextlib.suppress(Exception):  # it was said once that this tracker is gone
                    end(self.inner)
        finally:
            self.failure = self.failure or failed_before
            self._closed = True
