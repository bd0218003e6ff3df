"""Cut a network where its frozen part ends: a prefix, whose features never change, and the rest.

Modules that hold both frozen and trainable parameters are traced (torch.fx, Reed et al. 2022), and so are trainable
ones whose first child has no parameters; every other module stays one opaque call. So a network can be cut wherever the
modules *around* the boundary can be traced.
"""

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from convscope.transfer.freezing import has_trainable_parameters, is_partly_frozen
from convscope.transfer.live_nodes import varies_between_epochs, varying_nodes
from convscope.transfer.preserved_state import PreservedState, reset_random
from convscope.transfer.split_graph import CannotCutError, split

TOLERANCE = 1e-4  # relative to the largest logit; the parts may differ from the whole only by rounding


class Rest:
    """The part of a network after its prefix: maps the features, as arguments, to the network's output.

    Functions in the network's own code get a fixed value of ``training`` when they are traced. So there are two graphs
    if they differ, and the network's mode chooses between them.

    Args:
        network: The whole network, whose mode decides.
        training: The graph traced in training mode.
        evaluation: The graph traced in evaluation mode.
    """

    def __init__(self, network: nn.Module, training: fx.GraphModule, evaluation: fx.GraphModule) -> None:
        self._network, self._training = network, training
        self._evaluation = training if training.code == evaluation.code else evaluation

    @property
    def module(self) -> fx.GraphModule:
        """Return the graph for the network's mode; its submodules are the network's own."""
        return self._training if self._network.training else self._evaluation

    def __call__(self, *features: torch.Tensor) -> Any:
        """Return what the whole network returns for the inputs that ``features`` belong to."""
        return self.module(*features)


@dataclass(frozen=True)
class Cut:
    """A network in two parts, whose modules are the network's own.

    Attributes:
        prefix: Maps inputs to features, a tuple of tensors.
        rest: Maps the features to the network's output.
        deviation: Largest difference between the outputs of the whole and of its two parts on the batch that they were
            verified with, as a fraction of the largest output.
    """

    prefix: fx.GraphModule
    rest: Rest
    deviation: float


def cut_network(network: nn.Module, sample: torch.Tensor) -> Cut:
    """Cut ``network`` at the end of what is frozen in it now, and verify the parts on ``sample``.

    A value is frozen if it depends on no trainable parameter, on no BatchNorm that updates its statistics, and on no
    random number. Values that both parts need (skip connections) are passed on as further features. The network is
    left unchanged.

    Args:
        network: The network, with ``requires_grad`` and modes as the stage sets them.
        sample: A batch of inputs, (N, ...).

    Raises:
        CannotCutError: Nothing is frozen before the first trainable layer, the network cannot be traced, or the parts
            do not compute what the whole computes.
    """
    if not any(not parameter.requires_grad for parameter in network.parameters()):
        raise CannotCutError("everything is trained")
    modules = dict(network.named_modules())
    # The stage's modes decide: a layer that draws random numbers in training cannot be part of the prefix.
    live_modules = {
        name
        for name, module in modules.items()
        if has_trainable_parameters(module) or any(map(varies_between_epochs, module.modules()))
    }
    prefix, training = _parts(network, live_modules, sample)
    with PreservedState(network, evaluate=True):
        evaluation_prefix, evaluation = _parts(network, live_modules, sample)
    if evaluation_prefix.code != prefix.code:
        raise CannotCutError("its frozen part computes something else in training than in evaluation")
    rest = Rest(network, training, evaluation)
    deviation = _verify(network, prefix, rest, sample)
    with PreservedState(network, evaluate=True):
        deviation = max(deviation, _verify(network, prefix, rest, sample))
    return Cut(prefix, rest, deviation)


def _parts(network: nn.Module, live_modules: set[str], sample: torch.Tensor) -> tuple[fx.GraphModule, fx.GraphModule]:
    """Return the prefix and the rest of ``network``, traced in its present mode."""
    try:
        graph = _Tracer().trace(network, concrete_args=_defaults(network))
    except Exception as error:
        raise CannotCutError(f"torch.fx cannot trace the network ({_first_line(error)})") from error
    live = varying_nodes(network, live_modules, graph)
    try:
        prefix, rest = split(network, graph, live, sample)
    except CannotCutError:
        raise
    except Exception as error:
        raise CannotCutError(f"the traced network does not run ({_first_line(error)})") from error
    return fx.GraphModule(network, prefix, "Prefix"), fx.GraphModule(network, rest, "Rest")


class _Tracer(fx.Tracer):
    """Traces into partly frozen modules, and into trainable ones whose first child has no parameters."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not (is_partly_frozen(m) or _begins_without_parameters(m))


def _begins_without_parameters(module: nn.Module) -> bool:
    """Return whether ``module`` is trainable but begins with a layer without parameters, which the prefix can take."""
    first = next(iter(module.children()), None)
    return first is not None and has_trainable_parameters(module) and not any(True for _ in first.parameters())


def _defaults(network: nn.Module) -> dict[str, Any]:
    """Return the arguments of ``forward`` with their defaults, which tracing would otherwise replace by proxies."""
    parameters = list(inspect.signature(network.forward).parameters.values())
    return {
        parameter.name: parameter.default
        for parameter in parameters[1:]
        if parameter.default is not inspect.Parameter.empty
    }


def _verify(network: nn.Module, prefix: fx.GraphModule, rest: Rest, sample: torch.Tensor) -> float:
    """Return the largest deviation of the parts from the whole, as a fraction of the largest logit.

    Raises:
        CannotCutError: It exceeds ``TOLERANCE``.
    """
    with PreservedState(network, evaluate=False), torch.no_grad():
        whole = _first_tensor(network(sample))
        reset_random()
        parts = _first_tensor(rest(*prefix(sample)))
    # BatchNorm in training mode normalises with the batch's own statistics: a small variance magnifies rounding errors.
    if whole.shape != parts.shape:
        raise CannotCutError("the output of its parts has another shape than that of the whole")
    scale = float(whole.abs().max()) or 1.0
    deviation = float((whole - parts).abs().max()) / scale
    if not deviation <= TOLERANCE:
        raise CannotCutError(f"its parts differ from the whole by {deviation:.2g} of the largest logit")
    return deviation


def _first_tensor(value: Any) -> torch.Tensor:
    return value if isinstance(value, torch.Tensor) else next(item for item in value if isinstance(item, torch.Tensor))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
