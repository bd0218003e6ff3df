"""Whether a network runs with its feature maps channels last: ``x.view(n, -1)`` after a convolution does not."""

import torch
from torch import nn

from convscope.insight.undisturbed import undisturbed


def lay_channels_last(network: nn.Module, shape: tuple[int, int, int]) -> str | None:
    """Lay the weights of ``network`` channels last, and try it on two inputs of zeros in that memory format.

    Args:
        network: Images (N, C, H, W) to anything; its answers do not change.
        shape: C, H and W of an image.

    Returns:
        None where it runs; else the reason in the words of PyTorch or of the network, and the weights are contiguous.

    Raises:
        Exception: It does not run on contiguous inputs either; what it raises there.
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
