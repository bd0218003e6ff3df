"""Where the arithmetic is done and in which precision: what was told, or what suits network and processor."""

import dataclasses
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convscope.config.train import TrainerConfig
from convscope.engine.allocator import tune_allocator
from convscope.errors import UserError
from convscope.insight.memory_format import lay_channels_last
from convscope.preprocessing import Preprocessing, TextPreprocessing

_LIGHTNING_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


@dataclass(frozen=True)
class Hardware:
    """What a run computes on; ``precision`` is fp32, bf16 or fp16, ``threads`` those of each of ``processes``."""

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
        """The keyword arguments of Lightning's Trainer for it."""
        together = {"strategy": "ddp", "num_nodes": self.nodes, "use_distributed_sampler": False}
        return {
            "accelerator": self.accelerator,
            "devices": self.devices,
            "precision": _LIGHTNING_PRECISION[self.precision],
            **(together if self.processes > 1 else {}),
        }

    def __str__(self) -> str:
        words = [self.accelerator.upper(), self.precision]
        if self.channels_last:
            words.append("channels last")
        if self.accelerator == "cpu":
            words += [f"{self.threads} threads", f"{self.allocator} allocator"]
        if self.processes > 1:
            words.append(f"{self.processes} processes" + (f" on {self.nodes} machines" if self.nodes > 1 else ""))
        return ", ".join(words)


def find_accelerator(config: TrainerConfig) -> str:
    """``cpu``, ``gpu`` or ``mps``.

    Raises:
        UserError: The one that was asked for is not there.
    """
    available = {"cpu": True, "gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if config.accelerator == "auto":
        return next(name for name in ("gpu", "mps", "cpu") if available[name])
    if not available[config.accelerator]:
        there = ", ".join(name for name, yes in available.items() if yes)
        raise UserError(
            f"trainer.accelerator={config.accelerator}: PyTorch {torch.__version__} finds none on this machine "
            f"(there: {there}); use trainer=auto or trainer=cpu"
        )
    return config.accelerator


def refuse_several_devices(config: TrainerConfig) -> None:
    """Refuse several devices, for what one process does.

    Raises:
        UserError: They are asked for.
    """
    if config.devices != 1 or config.nodes != 1:
        raise UserError(
            f"trainer.devices={config.devices} trainer.nodes={config.nodes}: only a training is shared by several "
            "processes; use trainer=auto"
        )


def prepare_process(config: TrainerConfig) -> tuple[str, str]:
    """Set allocator and threads, once, before anything large is allocated; returns accelerator and allocator.

    To be called before Lightning is imported.
    """
    accelerator = find_accelerator(config)
    tuned = config.allocator == "tuned" and accelerator == "cpu" and tune_allocator()
    if not torch.cuda.is_available():
        # Every step of an optimizer asks for a GPU, which without this looks for NVIDIA's library on the disk: 0.2 ms.
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    from convscope import lean_torchmetrics  # noqa: F401  (what is imported first, Lightning takes)

    return accelerator, "tuned" if tuned else "system"


def choose_hardware(
    config: TrainerConfig, accelerator: str, allocator: str, network: nn.Module, multiply_adds: int, trains_all: bool
) -> Hardware:
    """Fill in what ``told`` leaves to ``auto``.

    On a CPU that multiplies bf16 matrices (AMX), bf16 with channels_last pays where the arithmetic is dense:
    for networks of enough multiply-adds an image, but not for the training of depthwise networks.
    """
    precision, channels_last = config.precision, config.channels_last
    large = multiply_adds >= LARGE_MULTIPLY_ADDS
    if precision == "auto":
        match accelerator:
            case "gpu":
                precision = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
            case "cpu" if has_amx() and large and not (trains_all and is_depthwise(network)):
                precision = "bf16"
            case _:
                precision = "fp32"
    if channels_last == "auto":
        channels_last = has_convolutions(network) and (accelerator == "gpu" or (accelerator == "cpu" and large))
    together = torch.distributed.is_available() and torch.distributed.is_initialized()
    return Hardware(
        accelerator,
        config.devices,
        precision,
        bool(channels_last),
        allocator,
        torch.get_num_threads(),
        config.nodes,
        torch.distributed.get_world_size() if together else 1,
    )


def resolve_memory_format(
    hardware: Hardware,
    config: TrainerConfig,
    name: str,
    network: nn.Module,
    preprocessing: Preprocessing | TextPreprocessing,
) -> tuple[Hardware, str | None]:
    """Lay the weights of ``network`` as ``hardware`` says; contiguous where the network does not run channels last.

    Some networks do not: those that call ``x.view(n, -1)`` on a feature map. It is tried on zeros.

    Args:
        hardware: What was chosen.
        config: What was asked for.
        name: Of the network.
        network: Where it is going to run.
        seen: What it takes; nothing is tried with texts.

    Returns:
        The hardware, and a warning where it is another one now.

    Raises:
        UserError: It does not run so, and ``trainer.channels_last=true`` was asked for.
    """
    if not hardware.channels_last or not isinstance(preprocessing, Preprocessing):
        return hardware, None
    refused = lay_channels_last(network, (preprocessing.channels, preprocessing.size, preprocessing.size))
    if refused is None:
        return hardware, None
    if config.channels_last is True:
        raise UserError(
            f"trainer.channels_last=true: {name} does not run so ({refused}); use trainer.channels_last=false"
        )
    warning = f"{name} does not run with feature maps channels last ({refused}): they are contiguous"
    return dataclasses.replace(hardware, channels_last=False), warning


LARGE_MULTIPLY_ADDS = 50_000_000  # an image; below it, conversions cost more than they save


@cache
def has_amx() -> bool:
    """Whether the CPU has matrix units for bf16 (Intel AMX), as Linux tells."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.is_file() and "amx_bf16" in cpuinfo.read_text(errors="replace")


def is_depthwise(network: nn.Module) -> bool:
    """Whether the network has convolutions with one input channel a group."""
    return any(
        isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1 for module in network.modules()
    )


def has_convolutions(network: nn.Module) -> bool:
    """Whether the network has two-dimensional convolutions, which is what channels_last is for."""
    return any(isinstance(module, nn.Conv2d) for module in network.modules())
