"""Jobs that submitit hands to SLURM, or to processes of this machine: in the job, what a signal leads to."""

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
    """What submitit runs in the job, from the beginning or again.

    Attributes:
        launcher: Hydra's, which composes the configuration there.
        name: Of the job's folder.
        words: The job's overrides.
        number: Of the job.
        singletons: Hydra's state.
    """

    launcher: Any
    name: str
    overrides: Sequence[str]
    number: int
    singletons: Any

    def __call__(self) -> Any:
        """What the launcher's task returns, which runs the job or goes on with it."""
        # submitit overhears SIGTERM; a job that is still composing its configuration is to end by it, too.
        before = signal.signal(signal.SIGTERM, _interrupt)
        try:
            key = "hydra.sweep.dir"
            return self.launcher(
                list(self.overrides), key, self.number, f"job_id_for_{self.number}", self.singletons
            ).return_value
        except Interrupted as error:
            echo_always(str(error))
            return self._after(error)
        finally:
            signal.signal(signal.SIGTERM, before)

    def checkpoint(self) -> Any:
        """What submitit queues again: the same, since the job's folder has what it needs to go on."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _after(self, error: Interrupted) -> Outcome:
        """Queue the job again, where the signal is the one by which submitit tells of the time limit.

        SLURM itself queues a job again that it has preempted; a job that somebody ended is to stay so.
        """
        from submitit import JobEnvironment
        from submitit.core.utils import UncompletedJobError

        sys.stdout.flush()
        handler = signal.getsignal(error.signal)  # submitit's own again, since the training has let go of it
        if error.signal == JobEnvironment._usr_sig() and callable(handler):
            if JobEnvironment().global_rank != 0:
                os._exit(0)  # the first process queues all of them; a status would end that one before it has
            try:
                handler(error.signal, None)  # ends the process, but where the job met its limit too often
            except UncompletedJobError:
                return Outcome(
                    self.name, "mistake",
                    "met its time limit for the last time (launcher.timeout_min, launcher.requeues); the same sweep "
                    "again goes on with it",
                )  # fmt: skip
        sys.exit(128 + error.signal)


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # SLURM may tell the job and each of its processes
    raise Interrupted(number)
