"""A long sweep in one process: do its last jobs take longer than its first, and does its memory grow?

``launcher=local`` runs one job after the other. A job's seconds are those between two summaries, so they include all
that happens between two trainings. The first job, which imports the libraries, counts for neither.
"""

import functools
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.row import Row, row_of_times

JOBS, COMPARED = 200, 20
ARGUMENTS = (
    "--multirun", "model=lenet5", "data=digits", "transfer.epochs=1", "logger=csv", "callbacks=none", "quiet=true",
    "trainer.threads=2", f"seed=range({JOBS})", "sweep.name=long",
)  # fmt: skip
TIME, MEMORY = f"sweep/{JOBS}_jobs/seconds_of_the_last_over_the_first_{COMPARED}", f"sweep/{JOBS}_jobs/memory_grows"
NAMES = [TIME, MEMORY]
MAX_RATIO, MAX_MEGABYTES = 1.1, 100.0
POLL = 0.02  # seconds between two looks for the next summary


def measure(name: str) -> Row:
    """Measure one row; the sweep is run once for both rows."""
    seconds, megabytes = _sweep()
    if name == TIME:
        return row_of_times(name, seconds[-COMPARED:], seconds[:COMPARED], "s/job", MAX_RATIO)
    before, after = megabytes[0], max(megabytes[-COMPARED:])
    grown = round(after - before, 1)
    return Row(name, round(after, 1), round(before, 1), "MB", grown, MAX_MEGABYTES, grown <= MAX_MEGABYTES)


@functools.cache
def _sweep() -> tuple[list[float], list[float]]:
    """Return the seconds of every job but the first, and the megabytes of the process at the end of each job."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"CONVSCOPE_CACHE": f"{folder}/cache"}
        command = [sys.executable, "-m", "convscope", "train", *ARGUMENTS, f"outputs={folder}"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ended: list[float] = []
        megabytes: list[float] = []
        while process.poll() is None:
            time.sleep(POLL)
            if len(ended) < JOBS and (Path(folder) / f"sweeps/long/seed={len(ended)}/summary.json").is_file():
                ended.append(time.perf_counter())
                megabytes.append(_resident(process.pid))
    if process.returncode != 0 or len(ended) != JOBS:
        raise RuntimeError(f"the sweep ended with status {process.returncode} after {len(ended)} jobs")
    return [after - before for before, after in itertools.pairwise(ended)], megabytes


def _resident(process: int) -> float:
    """Return the resident memory of a process in megabytes."""
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1000
