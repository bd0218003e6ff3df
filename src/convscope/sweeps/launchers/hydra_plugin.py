"""Sets up a launcher of Hydra for a sweep."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from convscope.composition.compose import open_hydra
from convscope.composition.hydra_internals import create_launcher
from convscope.composition.overrides import quote_value
from convscope.sweeps.launchers.launcher import SweepJobs


@contextmanager
def hydra_plugin(
    name: str, settings: Mapping[str, Any], task: Callable[[DictConfig], Any], sweep: SweepJobs
) -> Iterator[Any]:
    """Yield a launcher of Hydra, set up for a sweep, inside the context of Hydra that its jobs need.

    Args:
        name: Name of the launcher.
        settings: Its settings, where they differ from Hydra's.
        task: Function of a job's configuration.
        sweep: The jobs.
    """
    folder = quote_value(str(sweep.folder))
    with open_hydra(sweep.config_name, sweep.config_dir) as hydra:
        config = hydra.compose_config(
            config_name=sweep.config_name,
            overrides=[
                *sweep.jobs[0].overrides, f"hydra/launcher={name}", "hydra.mode=MULTIRUN", f"hydra.sweep.dir={folder}"
            ],
            run_mode=RunMode.MULTIRUN,
            with_log_configuration=False,
        )  # fmt: skip
        with open_dict(config):
            config.hydra.launcher = OmegaConf.merge(config.hydra.launcher, settings)
        yield create_launcher(hydra, config, task)
