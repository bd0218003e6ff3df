"""What of a traced network changes from epoch to epoch: it trains, draws, or updates its statistics."""

from typing import Any

import torch
from torch import fx, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

_RANDOM_MODULES = ("DropPath", "StochasticDepth", "DropBlock2d", "PatchDropout")  # of timm and torchvision
_RANDOM_FUNCTIONS = {
    "dropout", "alpha_dropout", "feature_alpha_dropout", "dropout1d", "dropout2d", "dropout3d", "bernoulli",
    "rand", "randn", "rand_like", "randn_like", "drop_path", "stochastic_depth",
}  # fmt: skip


def live_nodes(network: nn.Module, live_modules: set[str], graph: fx.Graph) -> set[fx.Node]:
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


def changes(module: nn.Module) -> bool:
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
