"""Capturing the output of one layer while the whole network runs."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from convscope.errors import UserError


class LayerOutput:
    """Holds a layer's output of the last forward pass.

    Attributes:
        tensor: The feature map, a leaf of autograd's graph.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._tensor: torch.Tensor | None = None

    @property
    def tensor(self) -> torch.Tensor:
        """The feature map (N, C, H, W) of the last pass.

        Raises:
            UserError: The network did not call the layer.
        """
        if self._tensor is None:
            raise UserError(f"layer={self._path}: the network did not call it")
        return self._tensor

    def capture(self, module: nn.Module, arguments: object, output: object) -> torch.Tensor:
        """Keep ``output`` as a leaf of autograd's graph: a forward hook, so that earlier layers record no graph.

        Raises:
            UserError: ``output`` is no feature map (N, C, H, W).
        """
        if not isinstance(output, torch.Tensor) or output.ndim != 4:
            raise UserError(f"layer={self._path}: puts out no feature map (N, C, H, W)")
        self._tensor = output.detach().requires_grad_(torch.is_grad_enabled())
        return self._tensor.clone()  # the network may overwrite what it gets, as an in-place ReLU does


@contextmanager
def output_of(module: nn.Module, path: str) -> Iterator[LayerOutput]:
    """Capture the output of ``module``, whose path is ``path``, in the body; remove the hook at the body's end."""
    output = LayerOutput(path)
    handle = module.register_forward_hook(output.capture)
    try:
        yield output
    finally:
        handle.remove()


def may_fold(module: nn.Module) -> bool:
    """Return whether the output of ``module`` stays the same when BatchNorms are folded.

    That of a convolution does not: its output may already contain the BatchNorm that follows it.
    """
    return not isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d)
