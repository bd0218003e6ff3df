"""The primitive under every saliency map: class scores and their derivatives by the pixels, and nothing else.

Weight gradients are not computed and no ``.grad`` is written (``torch.autograd.grad`` with frozen parameters),
BatchNorms are folded, feature maps are channels last, and the network is left as it was.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
from torch import nn

from convscope.errors import UserError
from convscope.insight.conv_bn_fusion import FoldedForward
from convscope.insight.undisturbed import undisturbed

Targets = int | Sequence[int] | torch.Tensor | None
"""The class to explain: one for all inputs, one for each, or None: the class with the highest logit."""

Score = Literal["logit", "probability", "binary"]
"""The score S(C) of class C: its logit, its softmax probability over all classes, or the sigmoid of its logit."""


class FrozenNetwork:
    """Computes a classifier's scores and their input gradients without changing it; made by `frozen`.

    Attributes:
        forward: Returns what ``model(inputs)`` returns, with BatchNorms folded if that was requested.
    """

    def __init__(self, model: nn.Module, folded: FoldedForward | None) -> None:
        self.forward = folded or model
        self._channels_last = folded is not None and folded.channels_last

    def logits(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, classes) of ``inputs`` (N, ...).

        The network may overwrite ``inputs``, unless they are a leaf of autograd's graph.

        Raises:
            UserError: The network returns something else.
        """
        if inputs.requires_grad and inputs.is_leaf:  # autograd forbids in-place operations on a leaf
            inputs = inputs.clone()
        return _logits(self.forward(inputs), len(inputs))

    def copy(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return a copy of ``inputs`` that the network may overwrite, and that is no inference tensor."""
        layout = torch.channels_last if self._channels_last and inputs.ndim == 4 else torch.contiguous_format
        return inputs.detach().clone(memory_format=layout)

    def scores(self, inputs: torch.Tensor, targets: torch.Tensor, score: Score) -> torch.Tensor:
        """Return S(C) of each input, (N,), without a graph; ``targets`` (N,) are the classes."""
        with torch.no_grad():
            return score_of(self.logits(self.copy(inputs)), targets, score)

    def resolve(self, inputs: torch.Tensor, targets: Targets, chunk: int = 64) -> torch.Tensor:
        """Return ``targets`` as (N,) int64; None: the predicted classes, computed ``chunk`` inputs per forward pass.

        Raises:
            UserError: A class does not exist, or their number is not that of the inputs.
        """
        with torch.no_grad():
            if targets is None:
                return torch.cat([self.logits(self.copy(part)).argmax(dim=1) for part in inputs.split(chunk)])
            return resolve_targets(targets, self.logits(self.copy(inputs[:1])), len(inputs))

    def score_gradients(
        self, inputs: torch.Tensor, targets: Targets, score: Score, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return dS(C)/dinputs, shaped like ``inputs``; ``weights`` (N,) multiply the score of each input."""
        leaf = self.copy(inputs).requires_grad_()
        logits = self.logits(leaf)
        scores = score_of(logits, resolve_targets(targets, logits.detach(), len(inputs)), score)
        total = scores.sum() if weights is None else (scores * weights).sum()
        return derivative(total, leaf)


@contextmanager
def frozen(model: nn.Module, inputs: torch.Tensor, *, fold: bool = True) -> Iterator[FrozenNetwork]:
    """Yield ``model`` as a `FrozenNetwork`, and restore it afterwards (see `convscope.insight.undisturbed`).

    Args:
        model: Maps inputs (N, ...) to logits (N, classes).
        inputs: The inputs that the body will analyse, of a floating-point dtype.
        fold: Fold BatchNorms into convolutions and use channels-last feature maps, if the network runs so: faster,
            and equal except for rounding (which can decide on which side of 0 a ReLU's input lies). Otherwise the
            network computes as it was written.

    Raises:
        UserError: ``inputs`` are empty or not of a floating-point dtype.
    """
    if not isinstance(inputs, torch.Tensor) or not inputs.is_floating_point() or inputs.ndim < 2:
        kind = f"{inputs.dtype} {tuple(inputs.shape)}" if isinstance(inputs, torch.Tensor) else type(inputs).__name__
        raise UserError(f"inputs: must be normalised images (N, C, H, W) of floating point, and are {kind}")
    if len(inputs) == 0:
        raise UserError("inputs: there is no image among them")
    with undisturbed(model):
        folded = (
            FoldedForward(model, inputs[:1].detach().clone(memory_format=torch.contiguous_format)) if fold else None
        )
        yield FrozenNetwork(model, folded)


def derivative(total: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    """Return the derivative of the scalar ``total`` by the tensor ``by``, shaped like ``by``.

    Raises:
        UserError: ``total`` does not depend on ``by`` through differentiable operations.
    """
    (gradient,) = torch.autograd.grad(total, by, allow_unused=True) if total.requires_grad else (None,)
    if gradient is None:
        raise UserError("the network's logits do not depend on its input by differentiable operations")
    return gradient


def score_of(logits: torch.Tensor, targets: torch.Tensor, score: Score) -> torch.Tensor:
    """Return S(C), (N,), from logits (N, classes) and the classes ``targets`` (N,).

    Raises:
        UserError: ``score`` is unknown.
    """
    match score:
        case "logit":
            values = logits
        case "probability":
            values = logits.softmax(dim=1)
        case "binary":
            values = logits.sigmoid()
        case _:
            raise UserError(f"score={score}: must be one of {', '.join(get_args(Score))}")
    return values.gather(1, targets[:, None])[:, 0]


def resolve_targets(targets: Targets, logits: torch.Tensor, count: int) -> torch.Tensor:
    """Check ``targets``, and return them as (N,) int64 on the device of ``logits``.

    Args:
        targets: A class, one for each input, or None: the class with the highest logit.
        logits: (N, classes) if ``targets`` is None; else only their device and number of classes matter.
        count: The number N of inputs.

    Raises:
        UserError: A class does not exist, or their number is not that of the inputs.
    """
    if targets is None:
        return logits.argmax(dim=1)
    resolved = torch.as_tensor(targets, device=logits.device)
    if resolved.ndim == 0:
        resolved = resolved.expand(count)
    if resolved.shape != (count,) or resolved.is_floating_point() or resolved.dtype == torch.bool:
        raise UserError(f"targets: must be a class, or one for each of the {count} inputs")
    classes = logits.shape[1]
    wrong = resolved[(resolved < 0) | (resolved >= classes)]
    if len(wrong):
        raise UserError(f"targets: class {int(wrong[0])} does not exist; the network has {classes}, 0 to {classes - 1}")
    return resolved.long().clone()  # a copy, since autograd may not save inference tensors


def _logits(outputs: Any, count: int) -> torch.Tensor:
    """Return the logits (N, classes) in a network's outputs; raise UserError if there are none for ``count`` inputs."""
    # Some networks return a tuple that begins with the logits.
    if isinstance(outputs, tuple | list) and outputs:
        outputs = outputs[0]
    if not isinstance(outputs, torch.Tensor) or outputs.ndim != 2 or len(outputs) != count:
        kind = f"a tensor {tuple(outputs.shape)}" if isinstance(outputs, torch.Tensor) else type(outputs).__name__
        raise UserError(f"the network gives {kind}; a classifier gives logits (N, classes)")
    return outputs
