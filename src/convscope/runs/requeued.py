"""Finds the run folder of a SLURM batch job that was queued again.

The folder is named after the time of the job's first start, so that its path has to be written down.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from convscope.runs.files import write_atomically

FOLDER = ".slurm"  # in the folder of all outputs


def folder_before_requeue(outputs: str, overrides: Sequence[str]) -> Path | None:
    """Return the folder that the same training had when this job ran before.

    The trainings of one script differ in their ``overrides`` or their working directory.

    Args:
        outputs: Folder of all outputs.
        overrides: Overrides of the training's command line.

    Returns:
        The folder; None in a job's first run, or outside a job.
    """
    file = _file(outputs, overrides)
    if file is None or int(os.environ.get("SLURM_RESTART_COUNT", "0")) == 0:
        return None
    with suppress(OSError, ValueError):
        path = Path(json.loads(file.read_text(encoding="utf-8")))
        return path if path.is_dir() else None
    return None


def note_folder(outputs: str, overrides: Sequence[str], folder: Path) -> None:
    """Write down the ``folder`` of a training for the case that this job is queued again; do nothing outside a job.

    Args:
        outputs: Folder of all outputs.
        overrides: Overrides of the training's command line.
        folder: Folder of the run.
    """
    file = _file(outputs, overrides)
    if file is not None and os.environ.get("SLURM_PROCID", "0") == "0":
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, f"{json.dumps(str(folder))}\n".encode(), to_disk=True)


def _file(outputs: str, overrides: Sequence[str]) -> Path | None:
    """Return the file that holds the folder of this training in this job; None outside a job."""
    job = os.environ.get("SLURM_JOB_ID")
    if not job:
        return None
    training = hashlib.sha256("\0".join([os.getcwd(), *overrides]).encode()).hexdigest()[:8]
    cluster = os.environ.get("SLURM_CLUSTER_NAME", "slurm")
    return Path(outputs).expanduser().absolute() / FOLDER / f"{cluster}-{job}-{training}.json"
