"""The primitive under every map: scores and their derivatives by the pixels, and nothing else.

Weight gradients are not computed and no ``.grad`` is written (``torch.autograd.grad`` with frozen parameters),
BatchNorms are folded, feature maps lie channels last, and the network is left as it was.
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
"""A class for all inputs, one for each, or None: the class with the highest logit."""

Score = Literal["logit", "probability", "binary"]
"""S(C): the logit of class C; its probability by a softmax over all classes; or by a sigmoid of its own."""


class FrozenNetwork:
    """A classifier that is asked and not changed; made by `frozen`."""

    def __init__(self, model: nn.Module, folded: FoldedForward | None) -> None:
        self.forward = folded or model  # what ``model(inputs)`` gives
        self._channels_last = folded is not None and folded.channels_last

    def logits(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits (N, classes) of ``inputs`` (N, ...), which the network may overwrite where they are no leaf.

        Raises:
            UserError: The network gives something else.
        """
        if inputs.requires_grad and inputs.is_leaf:  # autograd takes no work in place on a leaf
            inputs = inputs.clone()
        return _logits(self.forward(inputs), len(inputs))

    def copy(self, inputs: torch.Tensor) -> torch.Tensor:
        """``inputs`` for the network to overwrite and for autograd to know (inference tensors it does not)."""
        layout = torch.channels_last if self._channels_last and inputs.ndim == 4 else torch.contiguous_format
        return inputs.detach().clone(memory_format=layout)

    def scores(self, inputs: torch.Tensor, targets: torch.Tensor, score: Score) -> torch.Tensor:
        """S(C) of each input, (N,), without a graph."""
        with torch.no_grad():
            return score_of(self.logits(self.copy(inputs)), targets, score)

    def resolve(self, inputs: torch.Tensor, targets: Targets, chunk: int = 64) -> torch.Tensor:
        """``targets`` as (N,) int64; the predicted classes where they are None.

        Raises:
            UserError: A class does not exist, or there are not as many as inputs.
        """
        with torch.no_grad():
            if targets is None:
                return torch.cat([self.logits(self.copy(part)).argmax(dim=1) for part in inputs.split(chunk)])
            return resolve_targets(targets, self.logits(self.copy(inputs[:1])), len(inputs))

    def score_gradients(
        self, inputs: torch.Tensor, targets: Targets, score: Score, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """dS(C)/dinputs, the shape of ``inputs``; ``weights`` (N,) multiply the score of each input."""
        leaf = self.copy(inputs).requires_grad_()
        logits = self.logits(leaf)
        scores = score_of(logits, resolve_targets(targets, logits.detach(), len(inputs)), score)
        total = scores.sum() if weights is None else (scores * weights).sum()
        return derivative(total, leaf)


@contextmanager
def frozen(model: nn.Module, inputs: torch.Tensor, *, fold: bool = True) -> Iterator[FrozenNetwork]:
    """``model`` as a `FrozenNetwork`, undisturbed (see `convscope.insight.undisturbed`).

    Args:
        model: Inputs (N, ...) to logits (N, classes).
        inputs: What it is going to be asked about, of floating point.
        fold: Fold BatchNorms into convolutions and lay feature maps channels last where the network runs so: faster,
            and equal but for rounding (which can decide on which side of 0 a ReLU's input lies). Else it is computed
            as it was written.

    Raises:
        UserError: ``inputs`` are empty or not of floating point.
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
    """d ``total`` / d ``by``.

    Raises:
        UserError: There is no way of differentiable operations from the one to the other.
    """
    (gradient,) = torch.autograd.grad(total, by, allow_unused=True) if total.requires_grad else (None,)
    if gradient is None:
        raise UserError("the network's logits do not depend on its input by differentiable operations")
    return gradient


def score_of(logits: torch.Tensor, targets: torch.Tensor, score: Score) -> torch.Tensor:
    """S(C) from logits (N, classes) and targets (N,): (N,).

    Raises:
        UserError: There is no such score.
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
    """``targets`` as (N,) int64 on the device of ``logits`` (any, classes), checked; None: the highest logit's.

    Raises:
        UserError: A class does not exist, or there are not as many as inputs.
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
    return resolved.long().clone()  # one that was made in inference mode is none that autograd may keep


def _logits(outputs: Any, count: int) -> torch.Tensor:
    # Some networks give more than their logits: a tuple that begins with them.
    if isinstance(outputs, tuple | list) and outputs:
        outputs = outputs[0]
    if not isinstance(outputs, torch.Tensor) or outputs.ndim != 2 or len(outputs) != count:
        found = f"a tensor {tuple(outputs.shape)}" if isinstance(outputs, torch.Tensor) else type(outputs).__name__
        raise UserError(f"the network gives {found}; a classifier gives logits (N, classes)")
    return outputs
