"""The job that Hydra runs in this process: its overrides, its folder, and the folder of its sweep."""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf


def job_overrides() -> list[str]:
    """Return the running job's overrides as they were typed, without resolving interpolations in them."""
    return [str(override) for override in OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)]  # type: ignore[union-attr]


def search_path_overrides() -> list[str]:
    """Return the overrides of Hydra's search path that the running job has, as they were typed."""
    hydra = OmegaConf.to_container(HydraConfig.get().overrides.hydra, resolve=False)
    return [str(override) for override in hydra if str(override).lstrip("+").startswith("hydra.searchpath=")]  # type: ignore[union-attr]


def sweep_path() -> Path | None:
    """Return the folder of the sweep to which the running job belongs; None outside a multirun."""
    if _in_multirun():
        return Path(HydraConfig.get().sweep.dir).absolute()
    return None


def job_path() -> Path | None:
    """Return the folder of the running job of a sweep; None outside a multirun."""
    if _in_multirun():
        return Path(HydraConfig.get().runtime.output_dir).absolute()
    return None


def _in_multirun() -> bool:
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
