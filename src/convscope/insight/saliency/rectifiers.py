"""Maps whose backward signal is rectified on its way down: guided backpropagation and the deconvnet."""

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
# The nodes that autograd records for rectifiers which are no modules, and for what is no rectifier at all.
FUNCTIONAL = {"ReluBackward0": "ReLU", "HardtanhBackward0": "ReLU6", "ThresholdBackward0": "threshold"}
OTHER = {
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
    """The gradient, with what is negative set to 0 at each ReLU on its way down (Springenberg et al. 2015, figure 1).

    Arguments and result are those of `convscope.insight.saliency.gradient`.

    Raises:
        UserError: As `gradient`; and where the ReLUs cannot be reached: the network calls them as functions, was
            compiled, or has other activations. It would give plain gradients there.
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
    """The signal sent back through a deconvnet (Zeiler & Fergus 2014, section 2.1).

    Filters transposed, max pooling undone by its switches, and at each ReLU what is negative in the backward signal
    set to 0, whatever went forward there. Arguments, result and errors are those of `guided_backprop`.
    """
    return _rectified(_Deconvnet.apply, "deconvnet", model, inputs, targets, score, channels, signed, fold)


class _Guided(torch.autograd.Function):
    """A ReLU that lets pass what is positive on both ways."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, ceiling: float | None) -> torch.Tensor:
        output = x.clamp(min=0, max=ceiling)
        ctx.save_for_backward(output)
        ctx.ceiling = ceiling
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        (output,) = ctx.saved_tensors
        # threshold_backward is the ReLU's own: 0 where the output is not above the threshold.
        passed = torch.ops.aten.threshold_backward(gradients[0], output, 0)
        if ctx.ceiling is not None:
            passed = passed.masked_fill_(output >= ctx.ceiling, 0)
        return passed.clamp_(min=0), None


class _Deconvnet(torch.autograd.Function):
    """A ReLU that rectifies the signal on its way back as it does on its way forward."""

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
    refuse_compiled(model, method)
    with frozen(model, inputs, fold=fold) as network, rectifiers_replaced(model, rule):
        leaf = network.copy(inputs).requires_grad_()
        logits = network.logits(leaf)
        total = score_of(logits, resolve_targets(targets, logits.detach(), len(inputs)), score).sum()
        refuse_other_activations(total, method)
        return reduce_channels(derivative(total, leaf), channels, signed)


def deconvnet_rule(model: nn.Module) -> Any:
    """`rectifiers_replaced` by those of the deconvnet."""
    return rectifiers_replaced(model, _Deconvnet.apply)


@contextmanager
def rectifiers_replaced(model: nn.Module, rule: _Rule) -> Iterator[None]:
    """The ReLU and ReLU6 modules of ``model`` with ``rule`` for their forward; their own come back at the end."""
    before: list[tuple[nn.Module, dict[str, Any]]] = []
    try:
        for module in model.modules():
            if isinstance(module, RECTIFIERS):
                kept = {"forward": vars(module)["forward"]} if "forward" in vars(module) else {}
                before.append((module, kept))
                ceiling = 6.0 if isinstance(module, nn.ReLU6) else None
                vars(module)["forward"] = lambda x, ceiling=ceiling: rule(x, ceiling)
        yield
    finally:
        for module, kept in before:
            vars(module).pop("forward", None)
            vars(module).update(kept)


def refuse_compiled(model: nn.Module, method: str) -> None:
    """Refuse a network whose ReLUs are out of reach.

    Raises:
        UserError: A part of it was compiled, or made by TorchScript.
    """
    path = compiled_path(model)
    if path is not None:
        raise UserError(
            f"{method}: {path} is compiled, and its ReLUs cannot be reached; give the network as it was before "
            "torch.compile"
        )


def refuse_other_activations(total: torch.Tensor, method: str, *, some: bool = True) -> None:
    """Look at how ``total`` was computed, and refuse what the method would pass over in silence.

    Raises:
        UserError: There is a ReLU that is no module, another activation, or, with ``some``, no ReLU at all.
    """
    names = _nodes(total)
    functional = sorted({FUNCTIONAL[name] for name in names & FUNCTIONAL.keys()})
    if functional:
        raise UserError(
            f"{method}: the network calls {' and '.join(functional)} as a function, where it cannot be reached; "
            f"make it a module, such as torch.nn.{functional[0]}, or choose another method"
        )
    other = sorted({OTHER[name] for name in names & OTHER.keys()})
    if other:
        raise UserError(f"{method}: is defined for ReLUs, and the network has {' and '.join(other)}; choose another")
    if some and not names & {"_GuidedBackward", "_DeconvnetBackward"}:
        raise UserError(f"{method}: the network has no ReLU: it would give plain gradients; choose another method")


def _nodes(total: torch.Tensor) -> set[str]:
    """Names of all nodes of autograd's graph that ``total`` was computed by."""
    names: set[str] = set()
    seen: set[Any] = set()
    waiting: list[Any] = [total.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        names.add(node.name())
        waiting += [parent for parent, _ in node.next_functions]
    return names
