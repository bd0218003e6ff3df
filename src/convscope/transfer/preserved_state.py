"""Run a network and restore its modes and buffers and the state of the CPU's random number generator."""

import torch
from torch import nn

_SEED = 0


def reset_random() -> None:
    """Reset the random numbers, so that two ways of computing a network draw the same ones."""
    torch.manual_seed(_SEED)


class PreservedState:
    """Restores the network's modes and buffers and the CPU's random number generator on exit; a context manager.

    Inside, the random numbers start from a fixed seed. Generators of other devices are seeded too, but not restored: on
    CUDA, the caller must wrap this in `insight.network_state.preserved`, which restores theirs.

    Args:
        network: The network to run.
        evaluate: Whether to run it in evaluation mode; otherwise its modes stay as they are.
    """

    def __init__(self, network: nn.Module, evaluate: bool) -> None:
        self.network, self.evaluate = network, evaluate

    def __enter__(self) -> None:
        self.modes = [(module, module.training) for module in self.network.modules()]
        self.buffers = [(buffer, buffer.clone()) for buffer in self.network.buffers()]
        self.random = torch.get_rng_state()
        reset_random()
        if self.evaluate:
            self.network.eval()

    def __exit__(self, *_: object) -> None:
        for module, mode in self.modes:
            module.training = mode
        with torch.no_grad():
            for buffer, value in self.buffers:
                buffer.copy_(value)
        torch.set_rng_state(self.random)
