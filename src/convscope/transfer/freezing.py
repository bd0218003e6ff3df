"""Freeze parameters and modules: no gradients, evaluation mode, running statistics untouched."""

from collections.abc import Collection
from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _NormBase


def train_only(network: nn.Module, names: Collection[str], batch_norm: Literal["update", "hold"] = "update") -> int:
    """Make the parameters called ``names`` trainable, and freeze everything else.

    A frozen parameter requires no gradient and holds none. A module whose parameters are all frozen is in
    evaluation mode, with all of its submodules: BatchNorm normalises with its running statistics and does not update
    them, and dropout is off. A module whose parameters are all trainable is in training mode. In a module with both
    kinds of parameters, each child is in the mode of its own parameters; a child without parameters, such as dropout,
    is in the mode of the next child that has some. Every call replaces the effect of earlier ones.

    Args:
        network: Network to change in place.
        names: Names of parameters, as in ``network.named_parameters()``.
        batch_norm: ``hold`` keeps trainable BatchNorm in evaluation mode: scale and shift train, statistics stay.

    Returns:
        The number of scalars in the trainable parameters, each counted once.

    Raises:
        KeyError: The network has no parameter of one of these names.
    """
    parameters = dict(network.named_parameters())
    network.requires_grad_(False)
    for parameter in parameters.values():
        parameter.grad = None
    for name in names:
        parameters[name].requires_grad_(True)
    _set_modes(network)
    if batch_norm == "hold":
        for module in network.modules():
            if isinstance(module, _NormBase):
                module.eval()
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def is_partly_frozen(module: nn.Module) -> bool:
    """Return whether some parameters of ``module`` are trainable and others are frozen."""
    return len({parameter.requires_grad for parameter in module.parameters()}) > 1


def has_trainable_parameters(module: nn.Module) -> bool:
    """Return whether any parameter of ``module`` is trainable."""
    return any(parameter.requires_grad for parameter in module.parameters())


def _set_modes(module: nn.Module) -> None:
    if not is_partly_frozen(module):
        module.train(has_trainable_parameters(module))
        return
    # The mode of a partly frozen module itself matters to a function such as `F.dropout(x, training=self.training)`,
    # which usually comes just before its trainable head.
    module.training = True
    mode = True
    for child in reversed(list(module.children())):
        if any(True for _ in child.parameters()):
            _set_modes(child)
            mode = has_trainable_parameters(child)
        else:
            # Buffers without parameters are the statistics of a BatchNorm without scale and shift: they stay frozen.
            child.train(mode and not any(True for _ in child.buffers()))
