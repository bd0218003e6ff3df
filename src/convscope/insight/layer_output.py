"""Reading the output of a layer on its way through a network."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from convscope.errors import UserError


class LayerOutput:
    """What a layer put out in the last pass: ``tensor``, a leaf of autograd's graph."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._tensor: torch.Tensor | None = None

    @property
    def tensor(self) -> torch.Tensor:
        """(N, C, H, W).

        Raises:
            UserError: The layer was not called, or put out something else.
        """
        if self._tensor is None:
            raise UserError(f"layer={self._path}: the network did not call it")
        return self._tensor

    def take(self, module: nn.Module, arguments: object, output: object) -> torch.Tensor:
        """A forward hook that cuts the graph here: what comes before needs no derivative, and records nothing."""
        if not isinstance(output, torch.Tensor) or output.ndim != 4:
            raise UserError(f"layer={self._path}: puts out no feature map (N, C, H, W)")
        self._tensor = output.detach().requires_grad_(torch.is_grad_enabled())
        return self._tensor.clone()  # the network may overwrite what it gets, as an in-place ReLU does


@contextmanager
def output_of(module: nn.Module, path: str) -> Iterator[LayerOutput]:
    """The output of ``module`` in the passes of the body; the hook comes off at its end."""
    output = LayerOutput(path)
    handle = module.register_forward_hook(output.take)
    try:
        yield output
    finally:
        handle.remove()


def may_fold(module: nn.Module) -> bool:
    """Whether ``module`` puts out what it says while BatchNorms are folded: a convolution may not."""
    return not isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d)
