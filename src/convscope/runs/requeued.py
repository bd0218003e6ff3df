"""A training in a batch job of SLURM that is queued again: where its folder is, which the clock has named."""

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from convscope.runs.files import write_atomically

FOLDER = ".slurm"  # below the folder of outputs


def folder_before_requeue(outputs: str, typed: Sequence[str]) -> Path | None:
    """The folder that the same training had when this job ran before; None in a job's first run, or outside a job.

    A script may train several times: what tells them apart is their ``words``.
    """
    file = _file(outputs, typed)
    if file is None or int(os.environ.get("SLURM_RESTART_COUNT", "0")) == 0:
        return None
    with suppress(OSError, ValueError):
        path = Path(json.loads(file.read_text(encoding="utf-8")))
        return path if path.is_dir() else None
    return None


def note_folder(outputs: str, typed: Sequence[str], folder: Path) -> None:
    """Remember the folder, in case that this job is queued again. Does nothing outside a job."""
    file = _file(outputs, typed)
    if file is not None and os.environ.get("SLURM_PROCID", "0") == "0":
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, f"{json.dumps(str(folder))}\n".encode(), to_disk=True)


def _file(outputs: str, typed: Sequence[str]) -> Path | None:
    job = os.environ.get("SLURM_JOB_ID")
    if not job:
        return None
    training = hashlib.sha256("\0".join([os.getcwd(), *typed]).encode()).hexdigest()[:8]
    cluster = os.environ.get("SLURM_CLUSTER_NAME", "slurm")
    return Path(outputs).expanduser().absolute() / FOLDER / f"{cluster}-{job}-{training}.json"
