"""Following the operations of one forward pass: which layers ran, in which order, on what, and what they see.

Every operation that PyTorch dispatches is followed, in a module or out of it, so that any control flow, any branch
and any function is met as it is executed. Nothing is computed: tensors on the meta device have a shape and no content.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from convscope.insight.tracing.carried_reach import REACH, reach_of
from convscope.insight.tracing.meta_twins import twin_of
from convscope.insight.tracing.operation_costs import COSTS
from convscope.insight.tracing.operations import IDLE, JOINING, LAYERS, OWN, VIEWS_OF_PARTS, Operation, known
from convscope.insight.tracing.reach import Reach, axes_in, combined, extent, plain
from convscope.insight.tracing.shape_rules import meshed
from convscope.insight.tracing.traced_layer import Frame, TracedLayer

SOURCES = "_convscope_sources"  # ids of the parameters that a constant tensor was computed from


class Tracing(TorchDispatchMode):
    """Follows the operations of one forward pass.

    Attributes:
        layers: What ran, in order.
        unknown: Names of operations that no rule is for, and that do not work place by place.
        outputs: Of each module that put out a tensor, by its path: shape and reach, in the order in which they ended;
            of several calls, the last.
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
        self._moved: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def unused(self) -> list[tuple[str, nn.Parameter]]:
        """Parameters that no layer used, by name."""
        return [named for source, named in self._names.items() if source not in self.credited]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation and follow what it does."""
        kwargs = kwargs or {}
        operation = known(func)
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
        found: frozenset[int] = frozenset()
        for tensor in tensors:
            if id(tensor) in self._names:
                found |= {id(tensor)}
            elif (carried := getattr(tensor, SOURCES, None)) is not None:
                found |= carried
        return found

    def _on_meta(self, tensors: list[torch.Tensor], args: Any, kwargs: Any) -> tuple[list[torch.Tensor], Any, Any]:
        real = [tensor for tensor in tensors if tensor.device.type != "meta"]
        if not real or len(real) == len(tensors):
            return tensors, args, kwargs
        return self._moved_to_meta(tensors), self._moved_to_meta(args), self._moved_to_meta(kwargs)

    def _moved_to_meta(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            if value.device.type == "meta":
                return value
            if id(value) not in self._moved:
                self._moved[id(value)] = (value, twin_of(value))
            return self._moved[id(value)][1]
        if isinstance(value, (list, tuple)):
            return type(value)(self._moved_to_meta(item) for item in value)
        if isinstance(value, dict):
            return {key: self._moved_to_meta(item) for key, item in value.items()}
        return value

    def _follow(self, operation: Operation, out: Any, args: Any, kwargs: Any, reaches: list[Reach]) -> None:
        results = list(_tensors((out,)))
        if operation.rule is not None:
            reach = operation.rule(out, *args, **kwargs)
            if reach is None:
                reach = [meshed(reaches[0], tensor.shape) for tensor in results]
        else:
            reach = [self._place_by_place(operation, tensor, reaches) for tensor in results]
        if isinstance(reach, Reach):
            reach = [reach]
        for tensor, one in zip(results, reach, strict=False):
            setattr(tensor, REACH, one)
        if operation.writes and args and (base := getattr(args[0], BASE, None)) is not None and reach:
            self._written_into(base, reach[0])
        if operation.name in VIEWS_OF_PARTS:
            for tensor in results:
                setattr(tensor, BASE, getattr(args[0], BASE, args[0]))

    def _place_by_place(self, operation: Operation, out: torch.Tensor, reaches: list[Reach]) -> Reach:
        shape = out.shape
        for reach in reaches:
            sizes = [extent(dimension) for dimension in reach.layout]
            pairs = zip(reversed(sizes), reversed(shape), strict=False)
            if len(sizes) > len(shape) or any(a not in (1, b) for a, b in pairs):
                self.unknown.add(operation.name)
                return meshed(combined(reaches[:1], [extent(d) for d in reaches[0].layout]), shape)
        return combined(reaches, shape)

    def _written_into(self, base: torch.Tensor, reach: Reach) -> None:
        """A part of ``base`` was overwritten: it sees what the part sees."""
        before = reach_of(base)
        sizes = [extent(dimension) for dimension in reach.layout]
        if len(sizes) != base.ndim:
            setattr(base, REACH, meshed(before or reach, base.shape))
            return
        layout = tuple(
            dimension if size == n else plain(n)
            for dimension, size, n in zip(reach.layout, sizes, base.shape, strict=True)
        )
        laid = Reach(layout, reach.maps, reach.context)
        setattr(base, REACH, laid if before is None else combined([before, laid], base.shape, gates=False))

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
        if operation.name in IDLE:
            return
        cost = 0 if operation.cost is None else operation.cost(out, *args, **kwargs)
        frame = self._frames[-1] if self._frames else None
        if frame is None:
            return
        if frame.leaf:
            layer = frame.layer
            if layer is None:
                layer = frame.layer = self._begin(frame.path, type(frame.module).__name__, frame.module, args)
            self._credit(layer, sources)
        else:
            fresh = sources and reaches
            name = operation.name.removesuffix("_") if operation.name in JOINING else operation.name
            if not (
                cost
                or fresh
                or (reaches and operation.name in LAYERS)
                or (len(reaches) > 1 and operation.name in JOINING)
            ):
                return
            layer = self._function(frame, name, args, sources if reaches or cost else frozenset())
            first = next(iter(_tensors((out,))), None)
            if first is not None:
                self._finish(layer, first)
        layer.multiply_adds += cost
        if operation.geometry is not None and layer.geometry is None:
            layer.geometry = operation.geometry(*args, **kwargs)
        if operation.name in ("linear", "addmm") and (reach := reach_of(args[operation.name == "addmm"])) is not None:
            last = reach.layout[-1]
            layer.flattened = tuple(n for _, n, _ in last if n > 1) if axes_in([last]) else ()

    def _function(self, frame: Frame, name: str, args: Any, sources: frozenset[int]) -> TracedLayer:
        new = [source for source in sources if source not in self.credited]
        owned = {id(parameter) for parameter in frame.module._parameters.values()}
        kind, path = name, f"{frame.path}.{name}" if frame.path else name
        module = None
        if new and any(word in name for word in OWN) and set(new) <= owned and frame.path:
            kind, path, module = type(frame.module).__name__, frame.path, frame.module
        elif new and name not in COSTS:
            path = self._names[new[0]][0]
            kind = "Parameter"
        count = frame.counts[path] = frame.counts.get(path, 0) + 1
        layer = self._begin(path if count == 1 else f"{path}_{count}", kind, module, args)
        self._credit(layer, sources)
        return layer

    def _begin(self, path: str, kind: str, module: nn.Module | None, args: Any) -> TracedLayer:
        first = next((t for t in _tensors(args) if reach_of(t) is not None), None)
        layer = TracedLayer(path, kind, module, () if first is None else tuple(first.shape))
        self.layers.append(layer)
        return layer

    def _credit(self, layer: TracedLayer, sources: frozenset[int]) -> None:
        """Count parameters where they are first used."""
        for source in sorted(sources, key=self._order.__getitem__) if len(sources) > 1 else sources:
            name, parameter = self._names[source]
            if self.credited.setdefault(source, layer) is layer:
                if all(parameter is not other for _, other in layer.parameters):
                    layer.parameters.append((name, parameter))
            elif name not in layer.shares:
                layer.shares.append(name)

    def _finish(self, layer: TracedLayer, out: torch.Tensor) -> None:
        layer.output = tuple(out.shape)
        layer.reach = reach_of(out)
        layer.activation_bytes = out.numel() * out.element_size()

    def enter(self, module: nn.Module, args: Any) -> None:
        """A forward pre-hook."""
        path = self._paths.get(id(module))
        outer = self._frames[-1] if self._frames else None
        if outer is not None and outer.leaf:
            self._frames.append(outer)  # what a layer calls is a part of it
            return
        leaf = not module._modules or isinstance(module, WHOLE)
        if path is None:
            path = outer.path if outer else ""
            leaf = False
        self._frames.append(Frame(path, module, leaf))

    def leave(self, module: nn.Module, args: Any, output: Any) -> None:
        """A forward hook."""
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
            self._finish(frame.layer, first)


WHOLE = (nn.MultiheadAttention,)  # modules that are one layer although they have children
BASE = "_convscope_base"


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)
        elif isinstance(value, dict):
            yield from _tensors(value.values())
