"""Frozen means frozen: no gradient, evaluation mode, running statistics untouched."""

from collections.abc import Collection
from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _NormBase


def train_only(network: nn.Module, names: Collection[str], batch_norm: Literal["update", "hold"] = "update") -> int:
    """Make the parameters called ``names`` trainable, and freeze everything else.

    A frozen parameter requires no gradient and holds none. A module whose parameters are all frozen is in
    evaluation mode, with all that is in it, so that BatchNorm normalises with its running statistics and leaves
    them alone, and dropout is off. A module whose parameters are all trainable is in training mode. Between the
    two, each part is in the mode of its own parameters; a part without any, such as dropout, in that of the part
    with parameters that comes after it. Whatever an earlier call froze, or un-froze, is undone.

    Args:
        network: Changed in place.
        names: Of parameters, as ``network.named_parameters()`` tells them.
        batch_norm: ``hold`` keeps trainable BatchNorm in evaluation mode: scale and shift learn, statistics stay.

    Returns:
        The number of trainable parameters, each counted once.

    Raises:
        KeyError: The network has no parameter of a name.
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


def is_mixed(module: nn.Module) -> bool:
    """Whether some parameters of ``module`` are trainable and others are frozen."""
    return len({parameter.requires_grad for parameter in module.parameters()}) > 1


def trains(module: nn.Module) -> bool:
    """Whether any parameter of ``module`` is trainable."""
    return any(parameter.requires_grad for parameter in module.parameters())


def _set_modes(module: nn.Module) -> None:
    if not is_mixed(module):
        module.train(trains(module))
        return
    # A function such as `F.dropout(x, training=self.training)` in a mixed module stands, as a rule, before its
    # trainable head.
    module.training = True
    mode = True
    for child in reversed(list(module.children())):
        if any(True for _ in child.parameters()):
            _set_modes(child)
            mode = trains(child)
        else:
            # Buffers without parameters are statistics, of a BatchNorm without scale and shift: nobody trains them.
            child.train(mode and not any(True for _ in child.buffers()))
