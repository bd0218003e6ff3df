"""Split a traced network into two graphs: what is computed once, and what is computed in every epoch."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx, nn

from convscope.transfer.preserved_state import PreservedState


class CannotCutError(Exception):
    """Raised if a network has no frozen prefix or cannot be split; the message is the reason, for the user."""


class _Recorder(fx.Interpreter):
    """Runs the graph and records which nodes are tensors with one row per input, and which are plain integers.

    Attributes:
        batch_size: Number of inputs.
        per_input: Names of the nodes that are tensors with one row per input.
        numbers: Value of each node, by name, that is an integer or a tuple of integers.
    """

    def __init__(self, network: nn.Module, graph: fx.Graph, batch_size: int) -> None:
        super().__init__(fx.GraphModule(network, graph))
        self.batch_size = batch_size
        self.per_input: set[str] = set()
        self.numbers: dict[str, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, torch.Tensor):
            if value.ndim > 0 and value.shape[0] == self.batch_size:
                self.per_input.add(n.name)
        elif isinstance(value, int) or (isinstance(value, tuple) and all(isinstance(item, int) for item in value)):
            self.numbers[n.name] = value
        return value


def _record(network: nn.Module, graph: fx.Graph, sample: torch.Tensor) -> tuple[set[str], dict[str, Any]]:
    """Run ``graph`` with two batch sizes, and return what holds for any batch size.

    Returns:
        The names of the nodes that are tensors with one row per input, and the values of those that are integers or
        tuples of integers; ``_BATCH_SIZE`` stands for an integer that is the number of inputs.
    """
    runs = []
    with PreservedState(network, evaluate=True), torch.no_grad():
        for batch in (sample, torch.cat([sample, sample[:1]])):
            recorder = _Recorder(network, graph, len(batch))
            recorder.run(batch)
            runs.append(recorder)
    first, second = runs
    numbers = {}
    for name, value in first.numbers.items():
        first_items = value if isinstance(value, tuple) else (value,)
        second_value = second.numbers.get(name)
        second_items = second_value if isinstance(second_value, tuple) else (second_value,)
        items = [
            x if x == y else _BATCH_SIZE if (x, y) == (first.batch_size, second.batch_size) else None
            for x, y in zip(first_items, second_items, strict=False)
        ]
        if len(items) == len(first_items) and None not in items:
            numbers[name] = tuple(items) if isinstance(value, tuple) else items[0]
    return first.per_input & second.per_input, numbers


_BATCH_SIZE = object()  # stands for the number of inputs


def split(network: nn.Module, graph: fx.Graph, live: set[fx.Node], sample: torch.Tensor) -> tuple[fx.Graph, fx.Graph]:
    """Split ``graph`` into a prefix without the ``live`` nodes and a rest that takes the prefix's values as arguments.

    Args:
        network: The network that ``graph`` was traced from.
        graph: The traced network.
        live: Nodes whose values vary from epoch to epoch.
        sample: A batch of inputs, (N, ...).

    Returns:
        The graphs of the prefix and of the rest.

    Raises:
        CannotCutError: Nothing would be computed once, or the rest reads the input itself.
    """
    per_input, numbers = _record(network, graph, sample)
    # If the rest reads a node that is not live, it becomes a feature if it has one row per input. An integer is
    # inserted as a constant, because computing it would make a tensor a feature only for its shape. Anything else,
    # such as a constant tensor, is computed again in the rest.
    recomputed: set[fx.Node] = set()
    inlined: set[fx.Node] = set()
    features: list[fx.Node] = []
    queue = [node for node in graph.nodes if node in live]
    while queue:
        for parent in queue.pop().all_input_nodes:
            if parent in live or parent in recomputed or parent in inlined or parent in features:
                continue
            if parent.name in per_input:
                features.append(parent)
            elif parent.name in numbers:
                inlined.add(parent)
            else:
                recomputed.add(parent)
                queue.append(parent)
    order = {node: place for place, node in enumerate(graph.nodes)}
    features.sort(key=order.__getitem__)
    if not features or all(node.op == "placeholder" for node in features):
        raise CannotCutError("nothing is frozen before the first layer that trains")
    if any(node.op == "placeholder" for node in features):
        raise CannotCutError("the trainable part reads the input itself")

    prefix = fx.Graph()
    copies: dict[fx.Node, Any] = {}
    for node in _ancestors(graph, features):
        copies[node] = prefix.node_copy(node, lambda n: copies[n])
    prefix.output(tuple(copies[node] for node in features))

    rest = fx.Graph()
    copies = {node: rest.placeholder(f"feature_{place}") for place, node in enumerate(features)}
    batch_size = rest.call_method("size", (copies[features[0]], 0))
    for node in graph.nodes:
        if node in live or node in recomputed:
            copies[node] = rest.node_copy(node, lambda n: copies[n])
        elif node in inlined:
            value = numbers[node.name]
            if isinstance(value, tuple):
                copies[node] = tuple(batch_size if item is _BATCH_SIZE else item for item in value)
            else:
                copies[node] = batch_size if value is _BATCH_SIZE else value
    if not batch_size.users:
        rest.erase_node(batch_size)
    return prefix, rest


def _ancestors(graph: fx.Graph, outputs: Sequence[fx.Node]) -> list[fx.Node]:
    """Return ``outputs`` and all nodes that they are computed from, in the graph's order, with the placeholders.

    An operation in place counts only if its result is used. ``cut`` compares the parts with the whole, so it notices
    if that leaves out a change of a value.
    """
    needed: set[fx.Node] = set()
    queue = list(outputs)
    while queue:
        node = queue.pop()
        if node not in needed:
            needed.add(node)
            queue += node.all_input_nodes
    return [node for node in graph.nodes if node in needed or node.op == "placeholder"]
