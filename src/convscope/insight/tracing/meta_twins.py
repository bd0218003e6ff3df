"""Replacing a network's tensors by meta tensors, so that a pass can be traced without computing anything."""

import torch
from torch import nn

from convscope.insight.tracing.operations import LARGEST_CONSTANT


def twin_of(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor of the same shape and dtype on the meta device."""
    return torch.empty_like(tensor, device="meta", requires_grad=False)


def install_twins(network: nn.Module, twins: dict[int, torch.Tensor]) -> None:
    """Replace parameters and large buffers by their meta twins.

    Call it only within `convscope.insight.network_state.preserved`, which undoes it.

    Args:
        network: Any module.
        twins: From the id of each parameter to its twin; if it is empty, nothing is replaced.
    """
    for module in network.modules() if twins else ():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = twins[id(parameter)]  # type: ignore[assignment]
        for name, buffer in module._buffers.items():
            if buffer is not None and (buffer.device.type == "meta" or buffer.numel() > LARGEST_CONSTANT):
                module._buffers[name] = twin_of(buffer)
