"""A network made ready to be followed without being computed, and put back as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from convscope.insight.operations import LARGEST_CONSTANT


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """``network.eval()`` for a while; each module gets its own mode back."""
    modes = [(module, module.training) for module in network.modules()]
    try:
        network.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training


def twin_of(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor of the same shape on the meta device, of the kind that inference mode makes: views of it are cheap."""
    with torch.inference_mode():
        return torch.empty_like(tensor, device="meta")


@contextmanager
def replaced(network: nn.Module, twins: dict[int, torch.Tensor]) -> Iterator[None]:
    """Twins in the place of parameters and of large buffers, for a while."""
    kept: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for module in network.modules() if twins else ():
            for name, parameter in module._parameters.items():
                if parameter is not None:
                    kept.append((module._parameters, name, parameter))
                    module._parameters[name] = twins[id(parameter)]  # type: ignore[assignment]
            for name, buffer in module._buffers.items():
                if buffer is not None and (buffer.device.type == "meta" or buffer.numel() > LARGEST_CONSTANT):
                    kept.append((module._buffers, name, buffer))
                    module._buffers[name] = twin_of(buffer)
        yield
    finally:
        for holder, name, tensor in kept:
            holder[name] = tensor
