"""Tracing the operations of one forward pass: which layers ran, in which order, on which shapes, and what they see.

This records every operation that PyTorch dispatches, inside a module or outside, so that any control flow, branch and
function counts as it is executed. On the meta device nothing is computed, since tensors there have a shape and no
content; on another device the pass is really run.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from convscope.insight.tracing.carried_reach import REACH, reach_of
from convscope.insight.tracing.meta_twins import twin_of
from convscope.insight.tracing.operation_costs import COSTS
from convscope.insight.tracing.operations import (
    IGNORED,
    JOINING,
    LAYERS,
    OWNED_WEIGHT_OPERATIONS,
    VIEWS_OF_PARTS,
    Operation,
    find_operation,
)
from convscope.insight.tracing.reach import Reach, axes_in, combined, extent, unmapped
from convscope.insight.tracing.shape_rules import with_unknown_positions
from convscope.insight.tracing.traced_layer import Frame, TracedLayer

SOURCES = "_convscope_sources"  # ids of the parameters that a constant tensor was computed from


class Tracing(TorchDispatchMode):
    """Traces the operations of one forward pass.

    Args:
        network: The network that will run.
        meta: Whether it runs on the meta device.

    Attributes:
        layers: The layers that ran, in order.
        unknown: Names of operations that have no rule and do not work position by position.
        outputs: Shape and reach of the output of each module that returned a tensor, by the module's path, in the order
            in which the modules finished; the last call of each.
        credited: The layer that each used parameter is counted in, by the id of the parameter or of its meta twin.
        twins: The meta twin of each parameter, by the parameter's id; empty if ``meta`` is False.
    """

    def __init__(self, network: nn.Module, meta: bool) -> None:
        super().__init__()
        self.layers: list[TracedLayer] = []
        self.unknown: set[str] = set()
        self.outputs: dict[str, tuple[tuple[int, ...], Reach | None]] = {}
        self.credited: dict[int, TracedLayer] = {}
        self._meta = meta
        self._paths = {id(module): path for path, module in network.named_modules()}
        self.twins = {id(p): twin_of(p) for p in network.parameters()} if meta else {}
        named = [(name, parameter, self.twins.get(id(parameter))) for name, parameter in network.named_parameters()]
        self._names = {id(p if twin is None else twin): (name, p) for name, p, twin in named}
        self._order = {source: place for place, source in enumerate(self._names)}
        self._frames: list[Frame] = []
        self._meta_copies: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def unused(self) -> list[tuple[str, nn.Parameter]]:
        """Return name and tensor of the parameters that no layer used."""
        return [named for source, named in self._names.items() if source not in self.credited]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation, set the reach of its results, and record it in its layer."""
        kwargs = kwargs or {}
        operation = find_operation(func)
        if operation.composite:
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        tensors = list(_tensors(args))
        if kwargs:
            tensors += _tensors(kwargs.values())
        reaches = [reach for tensor in tensors if (reach := reach_of(tensor)) is not None]
        sources = self._sources(tensors)
        if self._meta:
            tensors, args, kwargs = self._on_meta(tensors, args, kwargs)
        out = None
        if operation.shortcut is not None and self._meta and all(t.device.type == "meta" for t in tensors):
            out = operation.shortcut(*args, **kwargs)
        if out is None:
            out = func(*args, **kwargs)
        if reaches:
            self._follow(operation, out, args, kwargs, reaches)
        elif sources:
            for tensor in _tensors((out,)):
                setattr(tensor, SOURCES, sources)
        self._record(operation, out, args, kwargs, tensors, reaches, sources)
        return out

    def _sources(self, tensors: Sequence[torch.Tensor]) -> frozenset[int]:
        """Return the ids of the parameters that ``tensors`` are or were computed from."""
        sources: frozenset[int] = frozenset()
        for tensor in tensors:
            if id(tensor) in self._names:
                sources |= {id(tensor)}
            elif (carried := getattr(tensor, SOURCES, None)) is not None:
                sources |= carried
        return sources

    def _on_meta(self, tensors: list[torch.Tensor], args: Any, kwargs: Any) -> tuple[list[torch.Tensor], Any, Any]:
        """Move all arguments to the meta device if some are there and some are not."""
        real = [tensor for tensor in tensors if tensor.device.type != "meta"]
        if not real or len(real) == len(tensors):
            return tensors, args, kwargs
        return self._moved_to_meta(tensors), self._moved_to_meta(args), self._moved_to_meta(kwargs)

    def _moved_to_meta(self, value: Any) -> Any:
        """Return ``value`` with its tensors, also nested ones, replaced by meta tensors."""
        if isinstance(value, torch.Tensor):
            if value.device.type == "meta":
                return value
            if id(value) not in self._meta_copies:
                self._meta_copies[id(value)] = (value, twin_of(value))
            return self._meta_copies[id(value)][1]
        if isinstance(value, (list, tuple)):
            return type(value)(self._moved_to_meta(item) for item in value)
        if isinstance(value, dict):
            return {key: self._moved_to_meta(item) for key, item in value.items()}
        return value

    def _follow(self, operation: Operation, out: Any, args: Any, kwargs: Any, reaches: list[Reach]) -> None:
        """Set the reach of the results of an operation, and of the base tensor that it wrote into."""
        results = list(_tensors((out,)))
        if operation.rule is not None:
            reach = operation.rule(out, *args, **kwargs)
            if reach is None:
                reach = [with_unknown_positions(reaches[0], tensor.shape) for tensor in results]
        else:
            reach = [self._place_by_place(operation, tensor, reaches) for tensor in results]
        if isinstance(reach, Reach):
            reach = [reach]
        for tensor, tensor_reach in zip(results, reach, strict=False):
            setattr(tensor, REACH, tensor_reach)
        if operation.writes and args and (base := getattr(args[0], BASE_TENSOR, None)) is not None and reach:
            self._written_into(base, reach[0])
        if operation.name in VIEWS_OF_PARTS:
            for tensor in results:
                setattr(tensor, BASE_TENSOR, getattr(args[0], BASE_TENSOR, args[0]))

    def _place_by_place(self, operation: Operation, out: torch.Tensor, reaches: list[Reach]) -> Reach:
        """Return the reach of the result of an operation that works position by position on broadcast tensors."""
        shape = out.shape
        for reach in reaches:
            sizes = [extent(dimension) for dimension in reach.layout]
            pairs = zip(reversed(sizes), reversed(shape), strict=False)
            if len(sizes) > len(shape) or any(a not in (1, b) for a, b in pairs):
                self.unknown.add(operation.name)
                return with_unknown_positions(combined(reaches[:1], [extent(d) for d in reaches[0].layout]), shape)
        return combined(reaches, shape)

    def _written_into(self, base: torch.Tensor, reach: Reach) -> None:
        """Update the reach of ``base`` after a part of it, with ``reach``, was overwritten."""
        before = reach_of(base)
        sizes = [extent(dimension) for dimension in reach.layout]
        if len(sizes) != base.ndim:
            setattr(base, REACH, with_unknown_positions(before or reach, base.shape))
            return
        layout = tuple(
            dimension if size == n else unmapped(n)
            for dimension, size, n in zip(reach.layout, sizes, base.shape, strict=True)
        )
        written = Reach(layout, reach.maps, reach.context)
        setattr(base, REACH, written if before is None else combined([before, written], base.shape, gates=False))

    def _record(
        self,
        operation: Operation,
        out: Any,
        args: Any,
        kwargs: Any,
        tensors: Sequence[torch.Tensor],
        reaches: Sequence[Reach],
        sources: frozenset[int],
    ) -> None:
        """Add an operation to the layer of the running leaf module, or record it as a layer of its own."""
        if operation.name in IGNORED:
            return
        cost = 0 if operation.cost is None else operation.cost(out, *args, **kwargs)
        frame = self._frames[-1] if self._frames else None
        if frame is None:
            return
        if frame.leaf:
            layer = frame.layer
            if layer is None:
                layer = frame.layer = self._begin_layer(frame.path, type(frame.module).__name__, frame.module, args)
            self._credit(layer, sources)
        else:
            uses_parameters = sources and reaches
            name = operation.name.removesuffix("_") if operation.name in JOINING else operation.name
            if not (
                cost
                or uses_parameters
                or (reaches and operation.name in LAYERS)
                or (len(reaches) > 1 and operation.name in JOINING)
            ):
                return
            layer = self._function_layer(frame, name, args, sources if reaches or cost else frozenset())
            first = next(iter(_tensors((out,))), None)
            if first is not None:
                self._finish_layer(layer, first)
        layer.multiply_adds += cost
        if operation.geometry is not None and layer.geometry is None:
            layer.geometry = operation.geometry(*args, **kwargs)
        if operation.name in ("linear", "addmm") and (reach := reach_of(args[operation.name == "addmm"])) is not None:
            last = reach.layout[-1]
            layer.flattened = tuple(n for _, n, _ in last if n > 1) if axes_in([last]) else ()

    def _function_layer(self, frame: Frame, name: str, args: Any, sources: frozenset[int]) -> TracedLayer:
        """Begin the layer of a function, named after it, its module or the one parameter that it uses."""
        new = [source for source in sources if source not in self.credited]
        owned = {id(parameter) for parameter in frame.module._parameters.values()}
        kind, path = name, f"{frame.path}.{name}" if frame.path else name
        module = None
        if new and any(word in name for word in OWNED_WEIGHT_OPERATIONS) and set(new) <= owned and frame.path:
            kind, path, module = type(frame.module).__name__, frame.path, frame.module
        elif new and name not in COSTS:
            path = self._names[new[0]][0]
            kind = "Parameter"
        count = frame.counts[path] = frame.counts.get(path, 0) + 1
        layer = self._begin_layer(path if count == 1 else f"{path}_{count}", kind, module, args)
        self._credit(layer, sources)
        return layer

    def _begin_layer(self, path: str, kind: str, module: nn.Module | None, args: Any) -> TracedLayer:
        """Append a new layer to ``layers``."""
        first = next((t for t in _tensors(args) if reach_of(t) is not None), None)
        layer = TracedLayer(path, kind, module, () if first is None else tuple(first.shape))
        self.layers.append(layer)
        return layer

    def _credit(self, layer: TracedLayer, sources: frozenset[int]) -> None:
        """Count parameters in the layer that uses them first, and list them as shared in later layers."""
        for source in sorted(sources, key=self._order.__getitem__) if len(sources) > 1 else sources:
            name, parameter = self._names[source]
            if self.credited.setdefault(source, layer) is layer:
                if all(parameter is not other for _, other in layer.parameters):
                    layer.parameters.append((name, parameter))
            elif name not in layer.shares:
                layer.shares.append(name)

    def _finish_layer(self, layer: TracedLayer, out: torch.Tensor) -> None:
        """Record the output of a layer."""
        layer.output = tuple(out.shape)
        layer.reach = reach_of(out)
        layer.activation_bytes = out.numel() * out.element_size()

    def enter(self, module: nn.Module, args: Any) -> None:
        """Note that ``module`` begins to run: a global forward pre-hook."""
        path = self._paths.get(id(module))
        outer = self._frames[-1] if self._frames else None
        if outer is not None and outer.leaf:
            self._frames.append(outer)  # modules that a leaf calls are a part of it
            return
        leaf = not module._modules or isinstance(module, SINGLE_LAYER_MODULES)
        if path is None:
            path = outer.path if outer else ""
            leaf = False
        self._frames.append(Frame(path, module, leaf))

    def leave(self, module: nn.Module, args: Any, output: Any) -> None:
        """Note that ``module`` has finished, and record its output: a global forward hook."""
        path = self._paths.get(id(module))
        if path is not None:
            self.outputs.pop(path, None)
            if isinstance(output, torch.Tensor):
                self.outputs[path] = tuple(output.shape), reach_of(output)
        frame = self._frames.pop()
        if frame.layer is None or frame.module is not module:
            return
        first = next(iter(_tensors((output,))), None)
        if first is not None:
            self._finish_layer(frame.layer, first)


SINGLE_LAYER_MODULES = (nn.MultiheadAttention,)  # modules that count as one layer although they have children
BASE_TENSOR = "_convscope_base"  # attribute of a view: the tensor that it is a part of


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in nested lists, tuples and dictionaries."""
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)
        elif isinstance(value, dict):
            yield from _tensors(value.values())
