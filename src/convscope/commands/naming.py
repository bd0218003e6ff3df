"""What a run's folder is called."""

import datetime
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from convscope.config.train import Train


def sweep_path() -> Path | None:
    """The folder of the sweep that the running job is a part of; None outside a multirun."""
    if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
        return Path(HydraConfig.get().sweep.dir).absolute()
    return None


def run_path(config: Train) -> Path:
    """The folder of the run: the one that was told, the job's in a multirun, else one named after the time.

    Resolved once: two runs that begin in the same second get different names.
    """
    if config.folder is not None:
        return Path(config.folder).expanduser().absolute()
    if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
        return Path(HydraConfig.get().runtime.output_dir).absolute()
    now = datetime.datetime.now()
    day = Path(config.outputs).expanduser().absolute() / f"{now:%Y-%m-%d}"
    name = f"{now:%H-%M-%S}_{config.model.name}_{config.data.name}_{config.transfer.name}"
    day.mkdir(parents=True, exist_ok=True)
    for number in range(1, 1000):
        path = day / (name if number == 1 else f"{name}_{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"{day / name}: a thousand runs have this name")
