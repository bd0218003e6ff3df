"""Chooses the folder of a run."""

import datetime
from pathlib import Path

from convscope.composition.current_job import job_path
from convscope.config.train import TrainConfig
from convscope.runs.new_folder import new_folder


def run_path(config: TrainConfig) -> Path:
    """Return the folder of the run: ``folder`` if configured, the job's in a multirun, else one named after the time.

    Call it once per run: it creates a folder named after the time, and two runs that begin in the same second get
    different names.
    """
    if config.folder is not None:
        return Path(config.folder).expanduser().absolute()
    if (job := job_path()) is not None:
        return job
    now = datetime.datetime.now()
    day = Path(config.outputs).expanduser().absolute() / f"{now:%Y-%m-%d}"
    name = f"{now:%H-%M-%S}_{config.model.name}_{config.data.name}_{config.transfer.name}"
    return new_folder(day, name)
