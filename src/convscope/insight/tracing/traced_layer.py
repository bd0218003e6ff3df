"""Records of a traced pass: a layer, and a module that is running."""

from dataclasses import dataclass, field

from torch import nn

from convscope.insight.tracing.reach import Reach
from convscope.insight.tracing.windows import Geometry


@dataclass(slots=True)
class TracedLayer:
    """One call of a module without children, or of a function outside of one.

    Attributes:
        path: Path of the module, or of the module that calls the function and the function's name.
        kind: Class of the module or name of the function.
        module: The module; None for a function.
        input: Shape of the first input that depends on the network's input; empty if none does.
        output: Shape of the first output.
        reach: What the output sees of the network's input; None if it does not depend on it.
        geometry: The window of a convolution or pooling.
        multiply_adds: Multiply-adds of all its operations.
        activation_bytes: Size of the output in bytes.
        parameters: Name and tensor of the parameters that no earlier layer uses.
        shares: Names of parameters that this layer shares with an earlier one.
        flattened: Channels, rows, columns that a dense layer's input was flattened from.
    """

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
    shares: list[str] = field(default_factory=list)
    flattened: tuple[int, ...] = ()


@dataclass(slots=True)
class Frame:
    """A module that is running.

    Attributes:
        path: Path of the module.
        module: The module.
        leaf: Whether it is one layer, with all operations that it calls.
        layer: The layer of a leaf, once its first operation ran.
        counts: How many functions were recorded so far under each path.
    """

    path: str
    module: nn.Module
    leaf: bool
    layer: TracedLayer | None = None
    counts: dict[str, int] = field(default_factory=dict)
