"""Meta tensors in the place of a network's own, so that a pass can be followed without being computed."""

import torch
from torch import nn

from convscope.insight.tracing.operations import LARGEST_CONSTANT


def twin_of(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor of the same shape on the meta device."""
    return torch.empty_like(tensor, device="meta", requires_grad=False)


def install_twins(network: nn.Module, twins: dict[int, torch.Tensor]) -> None:
    """Twins in the place of parameters and of large buffers; to be called where the network's state is preserved.

    Args:
        network: Any module.
        twins: By the identity of the parameter; without any, nothing is replaced.
    """
    for module in network.modules() if twins else ():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = twins[id(parameter)]  # type: ignore[assignment]
        for name, buffer in module._buffers.items():
            if buffer is not None and (buffer.device.type == "meta" or buffer.numel() > LARGEST_CONSTANT):
                module._buffers[name] = twin_of(buffer)
