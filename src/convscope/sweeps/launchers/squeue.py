"""What SLURM has of this user's jobs: asked of its controller, since many a small cluster keeps no accounts."""

import os
import subprocess

ASKING = 60.0  # seconds that an answer may take

# squeue(1), "JOB STATE CODES": states after which a job does nothing any more. What is requeued is PENDING again.
ENDED = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",
    "TIMEOUT",
}  # fmt: skip


def queue() -> dict[str, str] | None:
    """State of each job of this user that the controller remembers, by its number, as in ``7`` or ``7_0``.

    A job that ended is remembered for some minutes (``MinJobAge``). None where the controller does not answer.
    """
    words = ["squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}", "--format=%i|%T"]
    try:
        answer = subprocess.run(words, capture_output=True, text=True, timeout=ASKING, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    lines = (line.partition("|") for line in answer.splitlines())
    return {number: state for number, _, state in lines}


def still_queued() -> dict[str, str]:
    """As `queue`, without the jobs that have ended; empty where the controller does not answer."""
    return {number: state for number, state in (queue() or {}).items() if state not in ENDED}
