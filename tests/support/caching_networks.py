"""Networks that keep state between passes: in attributes, buffers, containers, objects, closures, globals, caches."""

import functools
import queue
from collections import UserDict
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from torch import nn

CACHE: dict[Any, torch.Tensor] = {}
MASK: torch.Tensor | None = None


def ramp(x: torch.Tensor) -> torch.Tensor:
    """Return a table as such networks make it once, on the device of their features: (1, 1, H, W)."""
    return torch.linspace(0.5, 1, x.shape[-1], device=x.device).expand(1, 1, *x.shape[-2:]).clone()


@functools.lru_cache
def remembered(size: int, device: str) -> torch.Tensor:
    """Return a table that is made once for a size; it ignores ``device``, like code written for a single device."""
    return torch.linspace(0.5, 1, size)


class Base(nn.Module):
    """A convolution, a multiplication by what `scale` returns, a dense layer: (N, 3, H, W) to (N, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.dense = nn.Linear(8, 5)

    def scale(self, x: torch.Tensor) -> torch.Tensor:
        """Return the factors of the features."""
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.conv(x))
        return self.dense((x * self.scale(x)).mean((2, 3)))


class Attribute(Base):
    kept: torch.Tensor | None = None

    def scale(self, x):
        if self.kept is None:
            self.kept = ramp(x)
        return self.kept


class SubmoduleAttribute(Base):
    """Keeps a table in an attribute of a submodule, as a positional encoding does."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Identity()

    def scale(self, x):
        if not hasattr(self.position, "table"):
            self.position.table = ramp(x)
        return self.position.table


class Counter(Base):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.ones(1))

    def scale(self, x):
        self.seen += 1
        return self.seen


class CounterByData(Counter):
    def scale(self, x):
        self.seen.data += 1
        return self.seen


class ReplacedBuffer(Counter):
    def scale(self, x):
        self.seen = ramp(x)
        return self.seen


class NewBuffer(Base):
    def scale(self, x):
        if "table" not in self._buffers:
            self.register_buffer("table", ramp(x), persistent=False)
        return self.table


class Containers(Base):
    def __init__(self) -> None:
        super().__init__()
        self.nested = {"tables": [], "sizes": set()}

    def scale(self, x):
        self.nested["tables"].append(ramp(x))
        self.nested["sizes"].add(x.shape[-1])
        return self.nested["tables"][0]


class Written(Base):
    """Writes into a table that is no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.table = [torch.ones(1)]

    def scale(self, x):
        self.table[0].mul_(2)
        return self.table[0]


class Slots:
    __slots__ = ("table",)


class Objects(Base):
    def __init__(self) -> None:
        super().__init__()
        self.slots, self.space, self.user = Slots(), SimpleNamespace(table=None), UserDict()

    def scale(self, x):
        if not hasattr(self.slots, "table"):
            self.slots.table = self.space.table = self.user["table"] = ramp(x)
        assert self.slots.table is self.space.table is self.user["table"]
        return self.slots.table


class Global(Base):
    def scale(self, x):
        global MASK
        if x.shape[-1] not in CACHE:
            CACHE[x.shape[-1]] = MASK = ramp(x)
            assert MASK is not None
        return CACHE[x.shape[-1]]


class OfClass(Base):
    tables: ClassVar[dict[int, torch.Tensor]] = {}
    last: Any = None

    def scale(self, x):
        if self.tables.get(x.shape[-1]) is None:
            OfClass.last = self.tables[x.shape[-1]] = ramp(x)
        return self.tables[x.shape[-1]]


class Default(Base):
    def scale(self, x, tables={}):  # noqa: B006
        if x.shape[-1] not in tables:
            tables[x.shape[-1]] = ramp(x)
        return tables[x.shape[-1]]


def closure() -> nn.Module:
    """Return a network whose class is defined in a function, and keeps state in that function's variables."""
    tables: ClassVar[dict[int, torch.Tensor]] = {}
    last = None

    class Closed(Base):
        def scale(self, x):
            nonlocal last
            if x.shape[-1] not in tables:
                last = tables[x.shape[-1]] = ramp(x)
            return last if last is not None else tables[x.shape[-1]]

    return Closed()


def hooked() -> nn.Module:
    """Return a network with a user's own hook, which collects the outputs of a layer."""
    network, outputs = Attribute(), []
    network.conv.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    return network


class Remembered(Base):
    def scale(self, x):
        return remembered(x.shape[-1], "any").to(x.device)


class LazyLayer(Base):
    """Makes a layer in its first pass, for which it draws random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.extra = None

    def scale(self, x):
        if self.extra is None:
            self.extra = nn.Conv2d(8, 8, 1).to(x.device)
        return self.extra(x)


class LastFeatures(Base):
    """Keeps its features, which have an autograd graph after a training step."""

    def scale(self, x):
        self.features = x
        return x


class Random(Base):
    def scale(self, x):
        return torch.rand(x.shape[-1]).to(x.device) + 0.5


class TrainOverridden(Base):
    """Caches a parameter in evaluation mode, and drops the cache in ``train()`` (as timm's LeViT does)."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(8))
        self.cache = {}

    @torch.no_grad()
    def train(self, mode=True):
        super().train(mode)
        if mode:
            self.cache = {}
        return self

    def scale(self, x):
        if self.training:
            return self.gain[:, None, None]
        if "gain" not in self.cache:
            self.cache["gain"] = self.gain[:, None, None].detach().clone()
        return self.cache["gain"]


class OutOfReach(Base):
    """Keeps a table where the package does not search; a training must still be able to use it."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: queue.Queue[torch.Tensor] = queue.Queue()

    def scale(self, x):
        if self.queue.empty():
            self.queue.put(torch.linspace(0.5, 1, x.shape[-1]))
        table = self.queue.get()
        self.queue.put(table)
        return table.to(x.device)


class AsksForValues(Attribute):
    """Does not run on the meta device; what it keeps of the attempt would be useless in the next pass."""

    def scale(self, x):
        table = super().scale(x)
        return table * (2 if float(x.detach().mean()) > 1e6 else 1)


KINDS = [
    Attribute, SubmoduleAttribute, Counter, CounterByData, ReplacedBuffer, NewBuffer, Containers, Written, Objects,
    Global, OfClass, Default, closure, hooked, Remembered, LazyLayer, LastFeatures, Random, TrainOverridden,
    OutOfReach, AsksForValues,
]  # fmt: skip
