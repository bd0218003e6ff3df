"""A training whose network is built and whose hardware settings are chosen, before its folder is opened."""

from dataclasses import dataclass
from typing import Generic

import pytorch_lightning as pl
import torch

from convscope.config.train import TrainConfig
from convscope.distributed.processes import Processes
from convscope.engine.hardware import Hardware, choose_hardware
from convscope.engine.run_request import RunRequest
from convscope.engine.transfer_choice import refuse_shadowed_defaults, resolve_transfer
from convscope.modalities.modality import BuiltT, DataT, Modality, SourceT
from convscope.models.weights import Weights


@dataclass(frozen=True)
class BuiltTraining(Generic[SourceT, BuiltT, DataT]):
    """A training whose network is built.

    Attributes:
        config: The configuration of the run, with the transfer that was chosen.
        modality: Images or texts.
        source: The examples, with their labels.
        weights: Where the network's weights come from.
        built: The network.
        hardware: The hardware settings.
    """

    config: TrainConfig
    modality: Modality[SourceT, BuiltT, DataT]
    source: SourceT
    weights: Weights
    built: BuiltT
    hardware: Hardware

    @property
    def device(self) -> torch.device:
        """The device on which this process trains."""
        return torch.device({"gpu": "cuda"}.get(self.hardware.accelerator, self.hardware.accelerator))


def build_training(
    request: RunRequest,
    modality: Modality[SourceT, BuiltT, DataT],
    source: SourceT,
    accelerator: str,
    allocator: str,
    processes: Processes,
) -> BuiltTraining[SourceT, BuiltT, DataT]:
    """Seed the random numbers, choose the transfer, build the network, and choose the hardware settings.

    Args:
        request: The training.
        modality: Images or texts.
        source: The examples, with their labels.
        accelerator: ``cpu``, ``gpu`` or ``mps``.
        allocator: ``tuned`` or ``system``.
        processes: Processes that train together, started.

    Raises:
        UserError: The weights are missing, the transfer needs trained weights, or an override has no effect.
    """
    pl.seed_everything(request.config.seed, workers=True, verbose=False)
    weights = modality.weights(request.config)
    config = processes.broadcast_object(lambda: resolve_transfer(request.config, weights))
    refuse_shadowed_defaults(config, request.overrides)
    built = modality.build(config, source, weights)
    trains_all = any("all" in stage.train for stage in config.transfer.stages)
    chosen = choose_hardware(
        config.trainer, accelerator, allocator, built.network.module, built.multiply_adds, trains_all
    )
    hardware = processes.broadcast_object(lambda: chosen)
    return BuiltTraining(config, modality, source, weights, built, hardware)
