"""What a network costs: its multiply-adds."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def multiply_adds(network: nn.Module, input_shape: Sequence[int]) -> int:
    """Multiply-adds of convolutions, matrix products and attention for one forward pass of a zero input.

    Args:
        network: Any module of one tensor; its modes and parameters are left as they are.
        input_shape: Shape of the input with its batch dimension, such as (1, 3, 224, 224).
    """
    reference = next(network.parameters())
    return multiply_adds_of(network, (torch.zeros(*input_shape, dtype=reference.dtype, device=reference.device),))


def multiply_adds_of(network: nn.Module, inputs: Sequence[torch.Tensor]) -> int:
    """As ``multiply_adds``, for a module of several inputs."""
    modes = {module: module.training for module in network.modules()}
    try:
        network.eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(*inputs)
    finally:
        for module, training in modes.items():
            module.training = training
    return counter.get_total_flops() // 2
