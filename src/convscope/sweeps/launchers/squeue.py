"""Queries the jobs of this user from SLURM's controller, since many small clusters keep no accounting (sacct)."""

import os
import subprocess

SQUEUE_TIMEOUT = 60.0  # seconds

# squeue(1), "JOB STATE CODES": final states of a job. A requeued job is PENDING again.
ENDED_STATES = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",
    "TIMEOUT",
}  # fmt: skip


def queue() -> dict[str, str] | None:
    """Return the state of each job of this user that the controller knows, by its number, such as ``7`` or ``7_0``.

    The controller remembers a job that ended for some minutes (``MinJobAge``). None if it does not answer.
    """
    command = ["squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}", "--format=%i|%T"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=SQUEUE_TIMEOUT, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    lines = (line.partition("|") for line in answer.splitlines())
    return {number: state for number, _, state in lines}


def still_queued() -> dict[str, str]:
    """Return the jobs of `queue` that have not ended; empty if the controller does not answer."""
    return {number: state for number, state in (queue() or {}).items() if state not in ENDED_STATES}
