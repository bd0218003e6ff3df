"""Saliency maps with a rectified backward signal: guided backpropagation and the deconvnet."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from convscope.errors import UserError
from convscope.insight.frozen_network import Score, Targets, derivative, frozen, resolve_targets, score_of
from convscope.insight.saliency.maps import Channels, reduce_channels
from convscope.insight.undisturbed import compiled_path

RECTIFIERS = (nn.ReLU, nn.ReLU6)
# Autograd's node names of rectifiers that are called as functions, and of other activations.
FUNCTIONAL_RECTIFIERS = {"ReluBackward0": "ReLU", "HardtanhBackward0": "ReLU6", "ThresholdBackward0": "threshold"}
OTHER_ACTIVATIONS = {
    "GeluBackward0": "GELU",
    "SiluBackward0": "SiLU",
    "MishBackward0": "Mish",
    "HardswishBackward0": "Hardswish",
    "LeakyReluBackward0": "LeakyReLU",
    "PreluKernelBackward0": "PReLU",
    "EluBackward0": "ELU or SELU",
    "SoftplusBackward0": "Softplus",
}

_Rule = Callable[[torch.Tensor, float | None], torch.Tensor]


def guided_backprop(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: Targets = None,
    *,
    score: Score = "logit",
    channels: Channels = "max",
    signed: bool = False,
    fold: bool = True,
) -> torch.Tensor:
    """Return the gradient, with negative values set to 0 at each ReLU (Springenberg et al. 2015, figure 1).

    Arguments and result are those of `convscope.insight.saliency.gradient`.

    Raises:
        UserError: As for `gradient`; or the ReLUs cannot be replaced, and the result would be plain gradients: the
            network calls them as functions, was compiled, has other activations, or has none.
    """
    return _rectified(_Guided.apply, "guided_backprop", model, inputs, targets, score, channels, signed, fold)


def deconvnet(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: Targets = None,
    *,
    score: Score = "logit",
    channels: Channels = "max",
    signed: bool = False,
    fold: bool = True,
) -> torch.Tensor:
    """Return the score's signal projected back to the pixels by a deconvnet (Zeiler & Fergus 2014, section 2.1).

    Filters are transposed, max pooling is inverted by its switches, and at each ReLU negative values of the backward
    signal become 0, whatever its input was in the forward pass. Arguments, result and errors are those of
    `guided_backprop`.
    """
    return _rectified(_Deconvnet.apply, "deconvnet", model, inputs, targets, score, channels, signed, fold)


class _Guided(torch.autograd.Function):
    """A ReLU whose gradient passes only where both its output and the gradient are positive."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, ceiling: float | None) -> torch.Tensor:
        output = x.clamp(min=0, max=ceiling)
        ctx.save_for_backward(output)
        ctx.ceiling = ceiling
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        (output,) = ctx.saved_tensors
        # The backward function of ReLU itself: 0 where the output is not above the threshold.
        passed = torch.ops.aten.threshold_backward(gradients[0], output, 0)
        if ctx.ceiling is not None:
            passed = passed.masked_fill_(output >= ctx.ceiling, 0)
        return passed.clamp_(min=0), None


class _Deconvnet(torch.autograd.Function):
    """A ReLU that rectifies the backward signal as it does the forward signal, whatever its input was."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, ceiling: float | None) -> torch.Tensor:
        return x.clamp(min=0, max=ceiling)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradients[0].clamp(min=0), None


def _rectified(
    rule: _Rule,
    method: str,
    model: nn.Module,
    inputs: torch.Tensor,
    targets: Targets,
    score: Score,
    channels: Channels,
    signed: bool,
    fold: bool,
) -> torch.Tensor:
    """Return the maps of ``model`` with ``rule`` for its ReLUs; ``method`` is the name for error messages."""
    refuse_compiled(model, method)
    with frozen(model, inputs, fold=fold) as network, rectifiers_replaced(model, rule):
        leaf = network.copy(inputs).requires_grad_()
        logits = network.logits(leaf)
        total = score_of(logits, resolve_targets(targets, logits.detach(), len(inputs)), score).sum()
        refuse_other_activations(total, method)
        return reduce_channels(derivative(total, leaf), channels, signed)


def deconvnet_rule(model: nn.Module) -> Any:
    """Replace the ReLUs of ``model`` by those of the deconvnet in the body (see `rectifiers_replaced`)."""
    return rectifiers_replaced(model, _Deconvnet.apply)


@contextmanager
def rectifiers_replaced(model: nn.Module, rule: _Rule) -> Iterator[None]:
    """Replace the forward of all ReLU and ReLU6 modules of ``model`` by ``rule`` in the body, and restore it."""
    replaced: list[tuple[nn.Module, dict[str, Any]]] = []
    try:
        for module in model.modules():
            if isinstance(module, RECTIFIERS):
                own_forward = {"forward": vars(module)["forward"]} if "forward" in vars(module) else {}
                replaced.append((module, own_forward))
                ceiling = 6.0 if isinstance(module, nn.ReLU6) else None
                vars(module)["forward"] = lambda x, ceiling=ceiling: rule(x, ceiling)
        yield
    finally:
        for module, own_forward in replaced:
            vars(module).pop("forward", None)
            vars(module).update(own_forward)


def refuse_compiled(model: nn.Module, method: str) -> None:
    """Raise UserError if the ReLUs of ``model`` cannot be replaced.

    Raises:
        UserError: A part of it was compiled, or made by TorchScript.
    """
    path = compiled_path(model)
    if path is not None:
        raise UserError(
            f"{method}: {path} is compiled, and its ReLUs cannot be reached; give the network as it was before "
            "torch.compile"
        )


def refuse_other_activations(total: torch.Tensor, method: str, *, require_relu: bool = True) -> None:
    """Raise UserError if ``total`` was computed by activations that ``method`` would silently treat as plain gradients.

    Raises:
        UserError: There is a ReLU that is no module, another activation, or, with ``require_relu``, no ReLU at all.
    """
    names = _node_names(total)
    functional = sorted({FUNCTIONAL_RECTIFIERS[name] for name in names & FUNCTIONAL_RECTIFIERS.keys()})
    if functional:
        raise UserError(
            f"{method}: the network calls {' and '.join(functional)} as a function, where it cannot be reached; "
            f"make it a module, such as torch.nn.{functional[0]}, or choose another method"
        )
    other = sorted({OTHER_ACTIVATIONS[name] for name in names & OTHER_ACTIVATIONS.keys()})
    if other:
        raise UserError(f"{method}: is defined for ReLUs, and the network has {' and '.join(other)}; choose another")
    if require_relu and not names & {"_GuidedBackward", "_DeconvnetBackward"}:
        raise UserError(f"{method}: the network has no ReLU: it would give plain gradients; choose another method")


def _node_names(total: torch.Tensor) -> set[str]:
    """Return the names of all nodes in the autograd graph of ``total``."""
    names: set[str] = set()
    visited: set[Any] = set()
    pending: list[Any] = [total.grad_fn]
    while pending:
        node = pending.pop()
        if node is None or node in visited:
            continue
        visited.add(node)
        names.add(node.name())
        pending += [parent for parent, _ in node.next_functions]
    return names
