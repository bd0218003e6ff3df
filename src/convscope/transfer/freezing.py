"""Frozen means frozen: no gradient, evaluation mode, running statistics untouched."""

from collections.abc import Sequence

from torch import nn


def train_only(network: nn.Module, paths: Sequence[str]) -> int:
    """Make the modules at ``paths`` (and what is in them) trainable, and freeze everything else.

    A trainable module is in training mode and its parameters require gradients. A frozen one is in evaluation
    mode, so that BatchNorm normalises with its running statistics and leaves them alone, and dropout is off; its
    parameters require no gradient and hold none. ``""`` is the whole network.

    Returns:
        The number of trainable parameters, each counted once.

    Raises:
        AttributeError: A path leads to no module.
    """
    network.eval()
    network.requires_grad_(False)
    for parameter in network.parameters():
        parameter.grad = None
    for path in paths:
        module = network.get_submodule(path)
        module.train()
        module.requires_grad_(True)
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
