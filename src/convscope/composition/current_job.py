"""The job that Hydra runs in this process: its overrides, its folder, the sweep that it is a part of."""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf


def job_overrides() -> list[str]:
    """The running job's overrides as they were typed; an interpolation in them is not followed here."""
    return [str(word) for word in OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)]  # type: ignore[union-attr]


def sweep_path() -> Path | None:
    """The folder of the sweep that the running job is a part of; None outside a multirun."""
    if _in_multirun():
        return Path(HydraConfig.get().sweep.dir).absolute()
    return None


def job_path() -> Path | None:
    """The folder of the running job of a sweep; None outside a multirun."""
    if _in_multirun():
        return Path(HydraConfig.get().runtime.output_dir).absolute()
    return None


def _in_multirun() -> bool:
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
