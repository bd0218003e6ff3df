"""Cutting a network where its frozen part ends: a prefix that says the same of an image for ever, and the rest.

Only what holds both frozen and trainable parameters is traced (torch.fx, Reed et al. 2022); everything else stays
one opaque call, so that a network can be cut wherever the modules *around* the boundary can be traced.
"""

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from convscope.transfer.freezing import is_mixed, trains
from convscope.transfer.live_nodes import changes, live_nodes
from convscope.transfer.preserved_state import Preserved, reset_random
from convscope.transfer.split_graph import CannotCutError, split

TOLERANCE = 1e-4  # of the largest logit; the two ways compute the same, in another order at most


class Rest:
    """What a network does with the features of its prefix: features, as arguments, to what the network returns.

    Functions in the network's own code were told ``training=True`` or not when they were traced; so there are two
    graphs where it matters, and the network's mode chooses.
    """

    def __init__(self, network: nn.Module, training: fx.GraphModule, evaluation: fx.GraphModule) -> None:
        self._network, self._training = network, training
        self._evaluation = training if training.code == evaluation.code else evaluation

    @property
    def module(self) -> fx.GraphModule:
        """The graph of the network's mode; its submodules are the network's."""
        return self._training if self._network.training else self._evaluation

    def __call__(self, *features: torch.Tensor) -> Any:
        """What the network returns."""
        return self.module(*features)


@dataclass(frozen=True)
class Cut:
    """``prefix`` maps inputs to features, a tuple of tensors, and ``rest`` maps those to what the network returns.
    Their modules are the network's own.

    ``deviation`` is the largest difference between the whole and its two parts on the batch it was verified with, as
    a share of the largest output.
    """

    prefix: fx.GraphModule
    rest: Rest
    deviation: float


def cut(network: nn.Module, sample: torch.Tensor) -> Cut:
    """Cut ``network`` at the end of what is frozen in it now, and verify the parts on ``sample``.

    Frozen is what depends on no trainable parameter, on no BatchNorm that updates, and on no random number. Values
    that both sides need (skip connections) are carried as further features. The network is left as it was.

    Args:
        network: With ``requires_grad`` and modes as the stage sets them.
        sample: A batch of inputs, (N, ...).

    Raises:
        CannotCutError: Nothing is frozen before the first trainable layer, the network cannot be traced, or the parts
            do not give what the whole gives.
    """
    if not any(not parameter.requires_grad for parameter in network.parameters()):
        raise CannotCutError("everything is trained")
    modules = dict(network.named_modules())
    # What is live is a matter of the stage's modes: a layer that draws in training is none of the prefix.
    live_modules = {name for name, module in modules.items() if trains(module) or any(map(changes, module.modules()))}
    prefix, training = _parts(network, live_modules, sample)
    with Preserved(network, evaluate=True):
        same_prefix, evaluation = _parts(network, live_modules, sample)
    if same_prefix.code != prefix.code:
        raise CannotCutError("it does other things in training than in evaluation")
    rest = Rest(network, training, evaluation)
    deviation = _verified(network, prefix, rest, sample)
    with Preserved(network, evaluate=True):
        deviation = max(deviation, _verified(network, prefix, rest, sample))
    return Cut(prefix, rest, deviation)


def _parts(network: nn.Module, live_modules: set[str], sample: torch.Tensor) -> tuple[fx.GraphModule, fx.GraphModule]:
    try:
        graph = _Tracer().trace(network, concrete_args=_defaults(network))
    except Exception as error:
        raise CannotCutError(f"torch.fx cannot trace the network ({_first_line(error)})") from error
    live = live_nodes(network, live_modules, graph)
    try:
        prefix, rest = split(network, graph, live, sample)
    except CannotCutError:
        raise
    except Exception as error:
        raise CannotCutError(f"the traced network does not run ({_first_line(error)})") from error
    return fx.GraphModule(network, prefix, "Prefix"), fx.GraphModule(network, rest, "Rest")


class _Tracer(fx.Tracer):
    """Looks into a module only where the boundary passes through it."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not (is_mixed(m) or _pools_first(m))


def _pools_first(module: nn.Module) -> bool:
    """Whether a trainable module begins with a layer without parameters, which the prefix can compute as well."""
    first = next(iter(module.children()), None)
    return first is not None and trains(module) and not any(True for _ in first.parameters())


def _defaults(network: nn.Module) -> dict[str, Any]:
    """The arguments of ``forward`` that have defaults, which tracing would otherwise make unknown."""
    parameters = list(inspect.signature(network.forward).parameters.values())
    return {
        parameter.name: parameter.default
        for parameter in parameters[1:]
        if parameter.default is not inspect.Parameter.empty
    }


def _verified(network: nn.Module, prefix: fx.GraphModule, rest: Rest, sample: torch.Tensor) -> float:
    with Preserved(network, evaluate=False), torch.no_grad():
        whole = _first_tensor(network(sample))
        reset_random()
        parts = _first_tensor(rest(*prefix(sample)))
    # BatchNorm in training mode normalises a batch by itself: rounding is magnified where a variance is small.
    if whole.shape != parts.shape:
        raise CannotCutError("its parts do not give what the whole gives")
    scale = float(whole.abs().max()) or 1.0
    deviation = float((whole - parts).abs().max()) / scale
    if not deviation <= TOLERANCE:
        raise CannotCutError(f"its parts differ from the whole by {deviation:.2g} of the largest logit")
    return deviation


def _first_tensor(value: Any) -> torch.Tensor:
    return value if isinstance(value, torch.Tensor) else next(item for item in value if isinstance(item, torch.Tensor))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
