"""Accelerator, precision and memory format of a run: as configured, or chosen for the network and the processor."""

import dataclasses
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convscope.config.trainer import TrainerConfig
from convscope.engine.allocator import tune_allocator
from convscope.errors import UserError
from convscope.insight.memory_format import lay_channels_last
from convscope.preprocessing import Preprocessing, TextPreprocessing

_LIGHTNING_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


@dataclass(frozen=True)
class Hardware:
    """The hardware settings of a run.

    Attributes:
        accelerator: ``cpu``, ``gpu`` or ``mps``.
        devices: As Lightning's Trainer takes it.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        channels_last: Whether feature maps are laid out channels last.
        allocator: ``tuned`` or ``system``.
        threads: CPU threads of each process.
        nodes: Number of machines.
        processes: Number of processes that train together.
    """

    accelerator: str
    devices: int | str
    precision: str
    channels_last: bool
    allocator: str
    threads: int
    nodes: int = 1
    processes: int = 1

    @property
    def trainer_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments for Lightning's Trainer."""
        distributed = {"strategy": "ddp", "num_nodes": self.nodes, "use_distributed_sampler": False}
        return {
            "accelerator": self.accelerator,
            "devices": self.devices,
            "precision": _LIGHTNING_PRECISION[self.precision],
            **(distributed if self.processes > 1 else {}),
        }

    def __str__(self) -> str:
        parts = [self.accelerator.upper(), self.precision]
        if self.channels_last:
            parts.append("channels last")
        if self.accelerator == "cpu":
            parts += [f"{self.threads} threads", f"{self.allocator} allocator"]
        if self.processes > 1:
            parts.append(f"{self.processes} processes" + (f" on {self.nodes} machines" if self.nodes > 1 else ""))
        return ", ".join(parts)


def find_accelerator(config: TrainerConfig) -> str:
    """Return ``cpu``, ``gpu`` or ``mps``, whichever ``trainer.accelerator`` names or ``auto`` finds.

    Raises:
        UserError: This machine does not have the requested accelerator.
    """
    available = {"cpu": True, "gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if config.accelerator == "auto":
        return next(name for name in ("gpu", "mps", "cpu") if available[name])
    if not available[config.accelerator]:
        names = ", ".join(name for name, yes in available.items() if yes)
        raise UserError(
            f"trainer.accelerator={config.accelerator}: PyTorch {torch.__version__} finds none on this machine "
            f"(available: {names}); use trainer=auto or trainer=cpu"
        )
    return config.accelerator


def refuse_several_devices(config: TrainerConfig) -> None:
    """Raise UserError if a command that runs in one process is configured for several devices or machines."""
    if config.devices != 1 or config.nodes != 1:
        raise UserError(
            f"trainer.devices={config.devices} trainer.nodes={config.nodes}: this command runs on one device; "
            "use trainer=auto"
        )


def prepare_process(config: TrainerConfig) -> tuple[str, str]:
    """Set up the allocator and the number of threads. Call it once, before Lightning is imported.

    The allocator must be set before anything large is allocated.

    Returns:
        The accelerator (``cpu``, ``gpu`` or ``mps``) and the allocator (``tuned`` or ``system``).
    """
    accelerator = find_accelerator(config)
    tuned = config.allocator == "tuned" and accelerator == "cpu" and tune_allocator()
    if not torch.cuda.is_available():
        # Every optimizer step checks for a GPU. Without this variable, each check takes 0.2 ms, since it looks for
        # NVIDIA's library on the disk.
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    from convscope import lean_torchmetrics  # noqa: F401  (before Lightning, which then uses it)

    return accelerator, "tuned" if tuned else "system"


def choose_hardware(
    config: TrainerConfig, accelerator: str, allocator: str, network: nn.Module, multiply_adds: int, trains_all: bool
) -> Hardware:
    """Return the hardware settings of ``config``, with every ``auto`` replaced by what suits the network.

    On a CPU that multiplies bf16 matrices (AMX), bf16 with channels_last is faster if the arithmetic is dense: for
    networks of at least ``LARGE_MULTIPLY_ADDS`` an image, but not for training depthwise networks.

    Args:
        config: The group ``trainer`` of the configuration.
        accelerator: ``cpu``, ``gpu`` or ``mps``.
        allocator: ``tuned`` or ``system``.
        network: The network that runs on it.
        multiply_adds: Multiply-adds of the network for one input.
        trains_all: Whether all layers are trained, rather than only some or none.
    """
    precision, channels_last = config.precision, config.channels_last
    is_large = multiply_adds >= LARGE_MULTIPLY_ADDS
    if precision == "auto":
        match accelerator:
            case "gpu":
                precision = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
            case "cpu" if has_amx() and is_large and not (trains_all and is_depthwise(network)):
                precision = "bf16"
            case _:
                precision = "fp32"
    if channels_last == "auto":
        channels_last = has_convolutions(network) and (accelerator == "gpu" or (accelerator == "cpu" and is_large))
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return Hardware(
        accelerator,
        config.devices,
        precision,
        bool(channels_last),
        allocator,
        torch.get_num_threads(),
        config.nodes,
        torch.distributed.get_world_size() if distributed else 1,
    )


def resolve_memory_format(
    hardware: Hardware,
    config: TrainerConfig,
    name: str,
    network: nn.Module,
    preprocessing: Preprocessing | TextPreprocessing,
) -> tuple[Hardware, str | None]:
    """Convert the weights of ``network`` to channels last if ``hardware`` says so and the network can run that way.

    Some networks cannot, such as those that call ``x.view(n, -1)`` on a feature map. It is tried on an input of zeros.
    Such a network keeps contiguous feature maps.

    Args:
        hardware: The chosen hardware settings.
        config: The group ``trainer`` of the configuration.
        name: Name of the network, for messages.
        network: The network, on the device where it is going to run.
        preprocessing: Shape of its inputs; networks for texts are left as they are.

    Returns:
        The hardware settings, and a warning if they were changed to contiguous feature maps.

    Raises:
        UserError: The network cannot run channels last, and ``trainer.channels_last=true`` requires it.
    """
    if not hardware.channels_last or not isinstance(preprocessing, Preprocessing):
        return hardware, None
    reason = lay_channels_last(network, (preprocessing.channels, preprocessing.size, preprocessing.size))
    if reason is None:
        return hardware, None
    if config.channels_last is True:
        raise UserError(
            f"trainer.channels_last=true: {name} does not run channels last ({reason}); use trainer.channels_last=false"
        )
    warning = f"{name} does not run with feature maps channels last ({reason}): they are contiguous"
    return dataclasses.replace(hardware, channels_last=False), warning


LARGE_MULTIPLY_ADDS = 50_000_000  # an image; below it, conversions cost more than they save


@cache
def has_amx() -> bool:
    """Return whether Linux reports that the CPU has matrix units for bf16 (Intel AMX)."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.is_file() and "amx_bf16" in cpuinfo.read_text(errors="replace")


def is_depthwise(network: nn.Module) -> bool:
    """Return whether the network has depthwise convolutions: one input channel per group."""
    return any(
        isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1 for module in network.modules()
    )


def has_convolutions(network: nn.Module) -> bool:
    """Return whether the network has two-dimensional convolutions, for which channels_last is meant."""
    return any(isinstance(module, nn.Conv2d) for module in network.modules())
