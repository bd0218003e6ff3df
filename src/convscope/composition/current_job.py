"""The job that Hydra runs in this process: its overrides, its folder, and the folder of its sweep."""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf


def job_overrides() -> list[str]:
    """Return the running job's overrides as they were typed, without resolving interpolations in them."""
    return [str(override) for override in OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)]  # type: ignore[union-attr]


def composing_overrides() -> list[str]:
    """Return what the running job's configuration was composed of: its overrides, and where options are searched."""
    given = [str(override) for override in OmegaConf.to_container(HydraConfig.get().overrides.hydra, resolve=False)]  # type: ignore[union-attr]
    return [*filter(is_search_path, given), *job_overrides()]


def is_search_path(override: str) -> bool:
    """Return whether an override says where Hydra searches for options."""
    return override.lstrip("+").partition("=")[0] == "hydra.searchpath"


def primary_config_name(default: str) -> str:
    """Return the name of the running job's primary configuration, which ``--config-name`` may replace."""
    return HydraConfig.get().job.config_name or default


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
