"""Exact theoretical receptive fields of all layers, for whatever operations the network executes."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from torch import nn

from convscope.insight.tracing.interval_maps import IDENTITY
from convscope.insight.tracing.reach import Reach
from convscope.insight.tracing.traced_layer import TracedLayer
from convscope.insight.tracing.tracing_inputs import follow


@dataclass(frozen=True, slots=True)
class Field:
    """The receptive field of a unit far from the border, along each input axis; None: it sees all of the axis.

    Attributes:
        size: Number of input positions from the first to the last that a unit sees.
        stride: Input positions between neighbouring units; a fraction after upsampling.
        offset: Input position of the centre of unit 0's field; a half lies between two positions.
        padding: Number of positions before the start of the input that unit 0's field covers.
        context: Whether a unit also sees all of the input through gates (squeeze-and-excitation) or statistics (group
            normalisation), which ``size`` leaves out.
    """

    size: tuple[int | None, ...]
    stride: tuple[Fraction | None, ...]
    offset: tuple[Fraction | None, ...]
    padding: tuple[int | None, ...]
    context: bool = False

    @property
    def everything(self) -> bool:
        """Whether a unit sees all of the input along at least one axis."""
        return None in self.size

    def __str__(self) -> str:
        sizes = ["all" if size is None else str(size) for size in self.size]
        return "global" if self.everything else sizes[0] if len(set(sizes)) == 1 else "×".join(sizes)


@dataclass(frozen=True, slots=True)
class LayerField:
    """A layer as it was called, and the receptive field of its output.

    Attributes:
        path: Path of the module; of a function, the path of the module that calls it and the function's name.
        type: Class of the module or name of the function.
        output: Shape of the output, with the batch dimension.
        field: Receptive field of a unit of the output; None if the output does not depend on the input.
        places: The dimension of the output that runs along each input axis; None: no dimension, or several.
        spatial: Whether it is a feature map, whose units each see a part of the input.
    """

    path: str
    type: str
    output: tuple[int, ...]
    field: Field | None
    places: tuple[int | None, ...] = ()
    spatial: bool = False


def field_of(reach: Reach | None) -> Field | None:
    """Convert a traced `Reach` to a receptive field; None stays None."""
    if reach is None:
        return None
    maps = reach.maps
    return Field(
        tuple(None if m is None else m.size for m in maps),
        tuple(None if m is None else m.stride for m in maps),
        tuple(None if m is None else m.offset for m in maps),
        tuple(None if m is None else m.padding for m in maps),
        reach.context,
    )


def last_spatial(layers: Sequence[TracedLayer]) -> TracedLayer | None:
    """Return the last layer that makes a feature map (its units see parts of the input); None if there is none."""
    return next((layer for layer in reversed(layers) if _makes_feature_map(layer)), None)


def _makes_feature_map(layer: TracedLayer) -> bool:
    """Return whether the units of ``layer`` each see a part of the input, and it is no mere reshape of the input."""
    if layer.reach is None or not layer.reach.spatial:
        return False
    return bool(layer.parameters) or any(interval_map != IDENTITY for interval_map in layer.reach.maps)


def receptive_fields(
    network: nn.Module, input_shape: Sequence[int], axes: Sequence[int] | None = None
) -> tuple[LayerField, ...]:
    """Return the theoretical receptive field of every layer, in the order of execution (Araujo, Norris & Sim 2019).

    Args:
        network: Any module that takes one tensor; its weights may be on any device, also meta. One pass is traced, on
            the meta device if the network runs there (nothing is computed), else on zeros on the device of its weights.
        input_shape: With the batch dimension: (1, 3, 224, 224), or (1, 300) for a network of tokens.
        axes: Dimensions of the input along which fields are measured; None: all after the channels, or, for tokens,
            all after the batch.

    Raises:
        UserError: The network does not run on an input of this shape.
    """
    traced = follow(network, input_shape, axes)
    return tuple(
        LayerField(
            layer.path, layer.kind, layer.output, field_of(layer.reach), _places(layer.reach),
            _makes_feature_map(layer),
        )
        for layer in traced.layers
    )  # fmt: skip


def network_field(fields: Sequence[LayerField]) -> LayerField | None:
    """Return the layer of the last spatial feature map, whose field is the network's; None if no layer makes one."""
    return next((layer for layer in reversed(fields) if layer.spatial), None)


def _places(reach: Reach | None) -> tuple[int | None, ...]:
    """Return, for each input axis, the one dimension that runs along it and no other axis; None if there is none."""
    if reach is None:
        return ()
    places = []
    for axis in range(len(reach.maps)):
        along = [d for d, dimension in enumerate(reach.layout) if [a for a, _, _ in dimension] == [axis]]
        places.append(along[0] if len(along) == 1 else None)
    return tuple(places)


def as_number(value: Fraction | None) -> int | float | None:
    """Convert a fraction to a JSON number: an int if it is whole, else a float; None stays None."""
    if value is None:
        return None
    return value.numerator if value.denominator == 1 else float(value)
