"""What a run's folder is called."""

import datetime
from pathlib import Path

from convscope.composition.current_job import job_path
from convscope.config.train import TrainConfig
from convscope.runs.new_folder import new_folder


def run_path(config: TrainConfig) -> Path:
    """The folder of the run: the one that was told, the job's in a multirun, else one named after the time.

    Resolved once: two runs that begin in the same second get different names.
    """
    if config.folder is not None:
        return Path(config.folder).expanduser().absolute()
    if (job := job_path()) is not None:
        return job
    now = datetime.datetime.now()
    day = Path(config.outputs).expanduser().absolute() / f"{now:%Y-%m-%d}"
    name = f"{now:%H-%M-%S}_{config.model.name}_{config.data.name}_{config.transfer.name}"
    return new_folder(day, name)
