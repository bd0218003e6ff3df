"""Tracing a network on an input of a given shape: tokens or values, on the meta device if the network runs there."""

from collections.abc import Sequence

import torch
from torch import nn

from convscope.errors import UserError
from convscope.insight.tracing.trace import trace
from convscope.insight.tracing.tracing import Tracing


def follow(network: nn.Module, input_shape: Sequence[int], axes: Sequence[int] | None = None) -> Tracing:
    """Trace a pass of ``network`` over an input of ``input_shape``, (batch, channels, ...) or (batch, tokens).

    Networks whose control flow depends on values do not run on the meta device. They run on zeros, on the device of
    their weights, which allocates activations.

    Args:
        network: Any module that takes one tensor.
        input_shape: With the batch dimension.
        axes: Dimensions of the input along which receptive fields are measured; None: all after the channels, or, for
            tokens, all after the batch.

    Raises:
        UserError: The network does not run on such an input.
    """
    tokens = takes_tokens(network) and len(input_shape) == 2
    floating = next((p.dtype for p in network.parameters() if p.is_floating_point()), torch.get_default_dtype())
    dtypes = [torch.int64] if tokens else [floating, torch.int64] if len(input_shape) == 2 else [floating]
    axes = axes if axes is not None else range(1 if tokens or len(input_shape) == 2 else 2, len(input_shape))
    devices = {parameter.device for parameter in network.parameters()} or {torch.device("cpu")}
    trial_devices = [torch.device("meta")]
    if len(devices) == 1:
        trial_devices += [device for device in devices if device.type != "meta"]
    failure: Exception = RuntimeError()
    for device in trial_devices:
        for dtype in dtypes:
            make_input = torch.empty if device.type == "meta" else torch.zeros
            try:
                return trace(network, make_input(*input_shape, dtype=dtype, device=device), axes)
            except UserError:
                raise
            except Exception as error:
                failure = error
    shape = "×".join(map(str, input_shape[1:]))
    reason = " ".join(str(failure).split())[:200] or type(failure).__name__
    raise UserError(f"input {shape}: the network does not run on it ({reason})") from failure


def follow_inputs(network: nn.Module, inputs: Sequence[torch.Tensor]) -> Tracing:
    """Trace a pass of a module that takes several tensors, shaped like ``inputs``.

    If it does not run on the meta device, it runs on ``inputs`` themselves.
    """
    try:
        first, *others = (torch.empty_like(tensor, device="meta") for tensor in inputs)
        return trace(network, first, range(2, first.ndim), *others)
    except Exception:
        first, *others = inputs
        return trace(network, first, range(2, first.ndim), *others)


def takes_tokens(network: nn.Module) -> bool:
    """Return whether the first layer of a network is an embedding of tokens."""
    first = next((module for module in network.modules() if not module._modules), None)
    return isinstance(first, nn.Embedding | nn.EmbeddingBag)
