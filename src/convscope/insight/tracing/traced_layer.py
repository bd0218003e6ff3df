"""A layer of a traced pass, and the module that is running."""

from dataclasses import dataclass, field

from torch import nn

from convscope.insight.tracing.reach import Reach
from convscope.insight.tracing.windows import Geometry


@dataclass(slots=True)
class TracedLayer:
    """A module without children, or a function outside of one, as it was called once."""

    path: str
    kind: str
    module: nn.Module | None
    input: tuple[int, ...]
    output: tuple[int, ...] = ()
    reach: Reach | None = None
    geometry: Geometry | None = None
    multiply_adds: int = 0
    activation_bytes: int = 0
    parameters: list[tuple[str, nn.Parameter]] = field(default_factory=list)
    shares: list[str] = field(default_factory=list)  # names of parameters that an earlier layer has, too
    flattened: tuple[int, ...] = ()  # channels, rows, columns that a dense layer's input was made of


@dataclass(slots=True)
class Frame:
    """A module that is running."""

    path: str
    module: nn.Module
    leaf: bool
    layer: TracedLayer | None = None
    counts: dict[str, int] = field(default_factory=dict)
