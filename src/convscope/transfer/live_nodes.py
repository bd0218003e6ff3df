"""Find the nodes of a traced network that vary from epoch to epoch: trained, random, or with updated statistics."""

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


def varying_nodes(network: nn.Module, live_modules: set[str], graph: fx.Graph) -> set[fx.Node]:
    """Return the nodes of ``graph`` whose values vary from epoch to epoch, and the output.

    Args:
        network: The network that ``graph`` was traced from.
        live_modules: Paths of the modules whose output varies for the same input.
        graph: The traced network.
    """
    live: set[fx.Node] = set()
    for node in graph.nodes:
        varies = False
        if node.op == "call_module":
            varies = str(node.target) in live_modules
        elif node.op == "get_attr":
            value = _attribute(network, str(node.target))
            varies = isinstance(value, torch.Tensor) and value.requires_grad
        elif node.op in ("call_function", "call_method"):
            name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
            varies = name.rstrip("_") in _RANDOM_FUNCTIONS and _is_random(node)
        if varies or node.op == "output" or any(parent in live for parent in node.all_input_nodes):
            live.add(node)
    return live


def varies_between_epochs(module: nn.Module) -> bool:
    """Return whether ``module`` itself maps the same input to another output in a later epoch.

    That is so in training mode if it draws random numbers or updates its statistics. Its children do not count.
    """
    if not module.training:
        return False
    if isinstance(module, _NormBase):
        return True
    return (isinstance(module, _DropoutNd) and module.p > 0) or type(module).__name__ in _RANDOM_MODULES


def _is_random(node: fx.Node) -> bool:
    """Return whether a call of a random function may draw random numbers.

    False only if its probability ``p`` is 0.0; ``training=False`` is not looked at.
    """
    p = node.kwargs.get("p", node.args[1] if len(node.args) > 1 else 0.5)
    return not (isinstance(p, float) and p == 0.0)


def _attribute(network: nn.Module, path: str) -> Any:
    value: Any = network
    for name in path.split("."):
        value = getattr(value, name)
    return value
