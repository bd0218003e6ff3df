"""Cutting a network where its frozen part ends: a prefix that says the same of an image for ever, and the rest.

Only what holds both frozen and trainable parameters is traced (torch.fx, Reed et al. 2022); everything else stays
one opaque call, so that a network can be cut wherever the modules *around* the boundary can be traced.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from convscope.transfer.freezing import is_mixed, trains

_RANDOM_MODULES = ("DropPath", "StochasticDepth", "DropBlock2d", "PatchDropout")  # of timm and torchvision
_RANDOM_FUNCTIONS = {
    "dropout", "alpha_dropout", "feature_alpha_dropout", "dropout1d", "dropout2d", "dropout3d", "bernoulli",
    "rand", "randn", "rand_like", "randn_like", "drop_path", "stochastic_depth",
}  # fmt: skip
TOLERANCE = 1e-4  # of the largest logit; the two ways compute the same, in another order at most


class CannotCutError(Exception):
    """The network has no frozen prefix, or cannot be taken apart; the message is the reason, for the user."""


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
    live_modules = {name for name, module in modules.items() if trains(module) or any(map(_changes, module.modules()))}
    prefix, training = _parts(network, live_modules, sample)
    with _Preserved(network, evaluate=True):
        same_prefix, evaluation = _parts(network, live_modules, sample)
    if same_prefix.code != prefix.code:
        raise CannotCutError("it does other things in training than in evaluation")
    rest = Rest(network, training, evaluation)
    deviation = _verified(network, prefix, rest, sample)
    with _Preserved(network, evaluate=True):
        deviation = max(deviation, _verified(network, prefix, rest, sample))
    return Cut(prefix, rest, deviation)


def _parts(network: nn.Module, live_modules: set[str], sample: torch.Tensor) -> tuple[fx.GraphModule, fx.GraphModule]:
    try:
        graph = _Tracer().trace(network, concrete_args=_defaults(network))
    except Exception as error:
        raise CannotCutError(f"torch.fx cannot trace the network ({_first_line(error)})") from error
    live = _live_nodes(network, live_modules, graph)
    try:
        prefix, rest = _split(network, graph, live, sample)
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


def _live_nodes(network: nn.Module, live_modules: set[str], graph: fx.Graph) -> set[fx.Node]:
    """The nodes whose values change from epoch to epoch."""
    live: set[fx.Node] = set()
    for node in graph.nodes:
        own = False
        if node.op == "call_module":
            own = str(node.target) in live_modules
        elif node.op == "get_attr":
            value = _attribute(network, str(node.target))
            own = isinstance(value, torch.Tensor) and value.requires_grad
        elif node.op in ("call_function", "call_method"):
            name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
            own = name.rstrip("_") in _RANDOM_FUNCTIONS and _is_on(node)
        if own or node.op == "output" or any(parent in live for parent in node.all_input_nodes):
            live.add(node)
    return live


def _changes(module: nn.Module) -> bool:
    """Whether ``module`` by itself answers differently tomorrow: it draws, or updates its statistics."""
    if not module.training:
        return False
    if isinstance(module, _NormBase):
        return True
    return (isinstance(module, _DropoutNd) and module.p > 0) or type(module).__name__ in _RANDOM_MODULES


def _is_on(node: fx.Node) -> bool:
    """Whether a call of dropout drops anything in training, as far as its arguments tell."""
    p = node.kwargs.get("p", node.args[1] if len(node.args) > 1 else 0.5)
    return not (isinstance(p, float) and p == 0.0)


def _attribute(network: nn.Module, path: str) -> Any:
    value: Any = network
    for name in path.split("."):
        value = getattr(value, name)
    return value


class _Recorder(fx.Interpreter):
    """Runs the graph and notes which nodes are tensors with a row an input, and which are plain numbers."""

    def __init__(self, network: nn.Module, graph: fx.Graph, rows: int) -> None:
        super().__init__(fx.GraphModule(network, graph))
        self.rows = rows
        self.carriable: set[str] = set()
        self.numbers: dict[str, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, torch.Tensor):
            if value.ndim > 0 and value.shape[0] == self.rows:
                self.carriable.add(n.name)
        elif isinstance(value, int) or (isinstance(value, tuple) and all(isinstance(item, int) for item in value)):
            self.numbers[n.name] = value
        return value


def _recorded(network: nn.Module, graph: fx.Graph, sample: torch.Tensor) -> tuple[set[str], dict[str, Any]]:
    """Names of the nodes that can be carried, and the plain numbers, ``_ROWS`` where they count the inputs."""
    runs = []
    with _Preserved(network, evaluate=True), torch.no_grad():
        for batch in (sample, torch.cat([sample, sample[:1]])):
            recorder = _Recorder(network, graph, len(batch))
            recorder.run(batch)
            runs.append(recorder)
    one, two = runs
    numbers = {}
    for name, value in one.numbers.items():
        items = value if isinstance(value, tuple) else (value,)
        others = two.numbers.get(name)
        others = others if isinstance(others, tuple) else (others,)
        told = [
            x if x == y else _ROWS if (x, y) == (one.rows, two.rows) else None
            for x, y in zip(items, others, strict=False)
        ]
        if len(told) == len(items) and None not in told:
            numbers[name] = tuple(told) if isinstance(value, tuple) else told[0]
    return one.carriable & two.carriable, numbers


_ROWS = object()  # stands for the number of inputs


def _split(network: nn.Module, graph: fx.Graph, live: set[fx.Node], sample: torch.Tensor) -> tuple[fx.Graph, fx.Graph]:
    carriable, numbers = _recorded(network, graph, sample)
    # What the rest reads and is not live is carried, where it is one row an input. A number is told, since asking for
    # it would carry a tensor for the sake of its shape. Anything else, such as a constant, is computed again.
    again: set[fx.Node] = set()
    told: set[fx.Node] = set()
    carried: list[fx.Node] = []
    queue = [node for node in graph.nodes if node in live]
    while queue:
        for parent in queue.pop().all_input_nodes:
            if parent in live or parent in again or parent in told or parent in carried:
                continue
            if parent.name in carriable:
                carried.append(parent)
            elif parent.name in numbers:
                told.add(parent)
            else:
                again.add(parent)
                queue.append(parent)
    order = {node: place for place, node in enumerate(graph.nodes)}
    carried.sort(key=order.__getitem__)
    if not carried or all(node.op == "placeholder" for node in carried):
        raise CannotCutError("nothing is frozen before the first layer that trains")
    if any(node.op == "placeholder" for node in carried):
        raise CannotCutError("the trainable part reads the input itself")

    prefix = fx.Graph()
    copies: dict[fx.Node, Any] = {}
    for node in _needed(graph, carried):
        copies[node] = prefix.node_copy(node, lambda n: copies[n])
    prefix.output(tuple(copies[node] for node in carried))

    rest = fx.Graph()
    copies = {node: rest.placeholder(f"feature_{place}") for place, node in enumerate(carried)}
    rows = rest.call_method("size", (copies[carried[0]], 0))
    for node in graph.nodes:
        if node in live or node in again:
            copies[node] = rest.node_copy(node, lambda n: copies[n])
        elif node in told:
            value = numbers[node.name]
            filled = tuple(rows if item is _ROWS else item for item in value) if isinstance(value, tuple) else value
            copies[node] = rows if filled is _ROWS else filled
    if not rows.users:
        rest.erase_node(rows)
    return prefix, rest


def _needed(graph: fx.Graph, wanted: Sequence[fx.Node]) -> list[fx.Node]:
    """``wanted`` and all that they are computed from, in the graph's order.

    An operation in place changes a value that was there before it: whatever such an operation touches is kept.
    """
    needed: set[fx.Node] = set()
    queue = list(wanted)
    while queue:
        node = queue.pop()
        if node not in needed:
            needed.add(node)
            queue += node.all_input_nodes
    return [node for node in graph.nodes if node in needed or node.op == "placeholder"]


def _verified(network: nn.Module, prefix: fx.GraphModule, rest: Rest, sample: torch.Tensor) -> float:
    with _Preserved(network, evaluate=False), torch.no_grad():
        whole = _first_tensor(network(sample))
        _restore_random()
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


_SEED = 0


def _restore_random() -> None:
    torch.manual_seed(_SEED)


class _Preserved:
    """Leaves modes, buffers and the random numbers of the outside as they were."""

    def __init__(self, network: nn.Module, evaluate: bool) -> None:
        self.network, self.evaluate = network, evaluate

    def __enter__(self) -> None:
        self.modes = [(module, module.training) for module in self.network.modules()]
        self.buffers = [(buffer, buffer.clone()) for buffer in self.network.buffers()]
        self.random = torch.get_rng_state()
        _restore_random()
        if self.evaluate:
            self.network.eval()

    def __exit__(self, *_: object) -> None:
        for module, mode in self.modes:
            module.training = mode
        with torch.no_grad():
            for buffer, value in self.buffers:
                buffer.copy_(value)
        torch.set_rng_state(self.random)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
