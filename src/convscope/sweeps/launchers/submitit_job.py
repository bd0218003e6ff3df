"""A job that submitit runs on SLURM or in a process of this machine: how it reacts to signals."""

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from convscope.console import echo_always
from convscope.errors import Interrupted
from convscope.sweeps.job import Outcome


@dataclass(frozen=True)
class SubmittedJob:
    """What submitit runs for a job, for the first time or again.

    Attributes:
        launcher: Hydra's launcher, which composes the job's configuration.
        name: Name of the job's folder.
        overrides: Overrides of the job.
        number: Number of the job.
        singletons: Hydra's state.
    """

    launcher: Any
    name: str
    overrides: Sequence[str]
    number: int
    singletons: Any

    def __call__(self) -> Any:
        """Run the launcher's task, which starts or resumes the job, and return its result."""
        # submitit ignores SIGTERM; a job that is still composing its configuration must end by it, too.
        before = signal.signal(signal.SIGTERM, _interrupt)
        try:
            key = "hydra.sweep.dir"
            return self.launcher(
                list(self.overrides), key, self.number, f"job_id_for_{self.number}", self.singletons
            ).return_value
        except Interrupted as error:
            echo_always(str(error))
            return self._requeue_or_exit(error)
        finally:
            signal.signal(signal.SIGTERM, before)

    def checkpoint(self) -> Any:
        """Return what submitit queues again: this same job, since its folder has all that a resumed job needs."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _requeue_or_exit(self, error: Interrupted) -> Outcome:
        """Queue the job again if the signal is submitit's warning of the time limit; else exit with its status.

        SLURM itself requeues a job that it preempted; a job that a user cancelled must not be queued again.

        Returns:
            The outcome of a job that met its time limit too often to be queued again.
        """
        from submitit import JobEnvironment
        from submitit.core.utils import UncompletedJobError

        sys.stdout.flush()
        handler = signal.getsignal(error.signal)  # submitit's own handler, which the training has restored
        if error.signal == JobEnvironment._usr_sig() and callable(handler):
            if JobEnvironment().global_rank != 0:
                os._exit(0)  # the first process queues all of them; an error status here would end it before that
            try:
                handler(error.signal, None)  # exits, unless the job met its limit too often
            except UncompletedJobError:
                return Outcome(
                    self.name, "user_error",
                    "met its time limit for the last time (launcher.timeout_min, launcher.requeues); run the same "
                    "command again to resume it",
                )  # fmt: skip
        sys.exit(128 + error.signal)


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # SLURM may signal the job and also each of its processes
    raise Interrupted(number)
