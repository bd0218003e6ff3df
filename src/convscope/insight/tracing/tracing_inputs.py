"""The input of a traced pass: tokens or values, on the meta device or, where a network does not run there, for real."""

from collections.abc import Sequence

import torch
from torch import nn

from convscope.errors import UserError
from convscope.insight.tracing.trace import trace
from convscope.insight.tracing.tracing import Tracing


def follow(network: nn.Module, input_shape: Sequence[int], axes: Sequence[int] | None = None) -> Tracing:
    """Follow a pass of ``network`` over an input of ``input_shape``, (batch, channels, ...) or (batch, tokens).

    Networks whose control flow asks for values do not run on the meta device. They run on zeros, where their weights
    are; that allocates activations.

    Raises:
        UserError: The network does not run on such an input.
    """
    tokens = takes_tokens(network) and len(input_shape) == 2
    floating = next((p.dtype for p in network.parameters() if p.is_floating_point()), torch.get_default_dtype())
    dtypes = [torch.int64] if tokens else [floating, torch.int64] if len(input_shape) == 2 else [floating]
    axes = axes if axes is not None else range(1 if tokens or len(input_shape) == 2 else 2, len(input_shape))
    devices = {parameter.device for parameter in network.parameters()} or {torch.device("cpu")}
    places = [torch.device("meta")]
    if len(devices) == 1:
        places += [device for device in devices if device.type != "meta"]
    failed: Exception = RuntimeError()
    for device in places:
        for dtype in dtypes:
            make = torch.empty if device.type == "meta" else torch.zeros
            try:
                return trace(network, make(*input_shape, dtype=dtype, device=device), axes)
            except UserError:
                raise
            except Exception as error:
                failed = error
    shape = "×".join(map(str, input_shape[1:]))
    reason = " ".join(str(failed).split())[:200] or type(failed).__name__
    raise UserError(f"input {shape}: the network does not run on it ({reason})") from failed


def follow_inputs(network: nn.Module, inputs: Sequence[torch.Tensor]) -> Tracing:
    """Follow a pass of a module of several inputs of the shapes of ``inputs``; where they are, if it must compute."""
    try:
        first, *others = (torch.empty_like(one, device="meta") for one in inputs)
        return trace(network, first, range(2, first.ndim), *others)
    except Exception:
        first, *others = inputs
        return trace(network, first, range(2, first.ndim), *others)


def takes_tokens(network: nn.Module) -> bool:
    """Whether the first thing that a network has is an embedding of tokens."""
    first = next((module for module in network.modules() if not module._modules), None)
    return isinstance(first, nn.Embedding | nn.EmbeddingBag)
