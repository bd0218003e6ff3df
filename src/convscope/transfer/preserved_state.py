"""Running a network, and leaving it and the random numbers as they were."""

import torch
from torch import nn

_SEED = 0


def reset_random() -> None:
    """Begin the random numbers that both ways of computing a network draw from."""
    torch.manual_seed(_SEED)


class Preserved:
    """Leaves modes, buffers and the random numbers of the outside as they were."""

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
