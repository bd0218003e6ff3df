"""A traced network in two graphs: what is computed once, and what is computed in every epoch."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx, nn

from convscope.transfer.preserved_state import Preserved


class CannotCutError(Exception):
    """The network has no frozen prefix, or cannot be taken apart; the message is the reason, for the user."""


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
    with Preserved(network, evaluate=True), torch.no_grad():
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


def split(network: nn.Module, graph: fx.Graph, live: set[fx.Node], sample: torch.Tensor) -> tuple[fx.Graph, fx.Graph]:
    """The graph of what is not ``live``, and of the rest, which takes its values as arguments.

    Raises:
        CannotCutError: Nothing would be computed once, or the rest reads the input itself.
    """
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
