"""Switching a network to the channels-last memory format, if it runs in it.

Some networks do not: ``x.view(n, -1)`` after a convolution fails on channels-last feature maps.
"""

import torch
from torch import nn

from convscope.insight.undisturbed import undisturbed


def lay_channels_last(network: nn.Module, shape: tuple[int, int, int]) -> str | None:
    """Convert the weights of ``network`` to channels last, and try it on two images of zeros in that memory format.

    If it does not run so, its weights are converted back to contiguous.

    Args:
        network: Takes images (N, C, H, W) and may return anything; its outputs do not change.
        shape: C, H and W of an image.

    Returns:
        None if the network runs channels last; else the reason, from the message that PyTorch or the network raised.

    Raises:
        Exception: Whatever the network raises if it does not run on contiguous inputs either.
    """
    reference = next(network.parameters(), torch.empty(0))
    dtype = reference.dtype if reference.is_floating_point() else torch.float32
    zeros = torch.zeros(2, *shape, dtype=dtype, device=reference.device)
    network.to(memory_format=torch.channels_last)
    try:
        with undisturbed(network), torch.no_grad():
            network(zeros.clone(memory_format=torch.channels_last))
    except Exception as error:  # of any kind: some networks assert that their maps are contiguous
        network.to(memory_format=torch.contiguous_format)
        with undisturbed(network), torch.no_grad():
            network(zeros)
        return " ".join(str(error).split()).partition(" (")[0] or type(error).__name__
    return None
