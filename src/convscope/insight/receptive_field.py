"""How far each layer sees: its theoretical receptive field, exactly, for whatever the network executes."""

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
        size: Input places from the first to the last that a unit sees.
        stride: Input places between neighbouring units; a fraction after upsampling.
        offset: Input place of the centre of unit 0's field; a half lies between two places.
        padding: Places before the first of the input that unit 0's field reaches to.
        context: Whether a unit sees all of the input besides, through gates (squeeze-and-excitation) or statistics
            (group normalisation), which ``size`` leaves out.
    """

    size: tuple[int | None, ...]
    stride: tuple[Fraction | None, ...]
    offset: tuple[Fraction | None, ...]
    padding: tuple[int | None, ...]
    context: bool = False

    @property
    def everything(self) -> bool:
        """Whether a unit sees all of the input, along some axis."""
        return None in self.size

    def __str__(self) -> str:
        sizes = ["all" if size is None else str(size) for size in self.size]
        return "global" if self.everything else sizes[0] if len(set(sizes)) == 1 else "×".join(sizes)


@dataclass(frozen=True, slots=True)
class LayerField:
    """A layer as it was called, and what its output sees.

    Attributes:
        path: Of its module, or of the module that calls it and its name.
        type: Class of the module or name of the function.
        output: Shape with the batch.
        field: What a unit of the output sees; None where the input does not reach it.
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
    """A reach in the words of the papers."""
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
    """The last layer that makes a feature map: each unit sees a part of the input; None where no layer does."""
    return next((layer for layer in reversed(layers) if _makes_feature_map(layer)), None)


def _makes_feature_map(layer: TracedLayer) -> bool:
    """Whether its units each see a part of the input, and are more than the input itself in another shape."""
    if layer.reach is None or not layer.reach.spatial:
        return False
    return bool(layer.parameters) or any(seen != IDENTITY for seen in layer.reach.maps)


def receptive_fields(
    network: nn.Module, input_shape: Sequence[int], axes: Sequence[int] | None = None
) -> tuple[LayerField, ...]:
    """The theoretical receptive field of every layer, in the order of execution (Araujo, Norris & Sim 2019).

    Args:
        network: Any module of one tensor. Nothing is computed: its weights may be anywhere, or on the meta device.
        input_shape: With its batch dimension: (1, 3, 224, 224), or (1, 300) for a network of tokens.
        axes: Dimensions of the input along which fields are measured; None: all behind the channels, or behind the
            batch for tokens.

    Raises:
        UserError: The network does not run on an input of this shape.
    """
    traced = follow(network, input_shape, axes)
    return tuple(
        LayerField(
            one.path, one.kind, one.output, field_of(one.reach), _places(one.reach),
            _makes_feature_map(one),
        )
        for one in traced.layers
    )  # fmt: skip


def network_field(fields: Sequence[LayerField]) -> LayerField | None:
    """That of the last spatial feature map; None where no layer makes one."""
    return next((one for one in reversed(fields) if one.spatial), None)


def _places(reach: Reach | None) -> tuple[int | None, ...]:
    if reach is None:
        return ()
    found = []
    for axis in range(len(reach.maps)):
        along = [d for d, dimension in enumerate(reach.layout) if [a for a, _, _ in dimension] == [axis]]
        found.append(along[0] if len(along) == 1 else None)
    return tuple(found)


def as_number(value: Fraction | None) -> int | float | None:
    """A fraction as JSON has it: whole numbers as such."""
    if value is None:
        return None
    return value.numerator if value.denominator == 1 else float(value)
