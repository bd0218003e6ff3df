"""A table of a network's layers as they are executed: parameters, multiply-adds, memory and receptive fields."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from convscope.insight.formulas import formula
from convscope.insight.receptive_field import Field, field_of, last_spatial
from convscope.insight.tracing.traced_layer import TracedLayer
from convscope.insight.tracing.tracing import Tracing
from convscope.insight.tracing.tracing_inputs import follow, follow_inputs
from convscope.insight.tracing.windows import Geometry


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as it was called: a module without children, or a function that is called outside of one.

    Attributes:
        path: Of a module, its path; of a function, the path of the module that calls it and the function's name; of a
            parameter that a module uses itself, its name.
        type: Class of the module or name of the function.
        input, output: Shapes with the batch dimension; both empty for parameters that the pass does not use.
        geometry: Kernel, stride, padding, dilation, groups of a convolution or a pooling.
        parameters: Number of parameters that no earlier layer uses; a layer that is called again, or whose weight is
            tied to another's, adds none.
        trainable: How many of ``parameters`` require a gradient.
        formula: ``parameters`` as a sum, such as ``16 × (3×3×3) + 16 = 448``.
        multiply_adds: Of convolutions, dense layers, matrix products, attention and recurrence.
        activation_bytes: Size of the output in bytes.
        field: Receptive field of a unit of the output; None if the output does not depend on the input.
        shares: Names of parameters that this layer shares with an earlier one.
        names: Names of the parameters that are counted in ``parameters``.
    """

    path: str
    type: str
    input: tuple[int, ...]
    output: tuple[int, ...]
    geometry: Geometry | None
    parameters: int
    trainable: int
    formula: str
    multiply_adds: int
    activation_bytes: int
    field: Field | None
    shares: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParameterTable:
    """Every layer in the order of execution, followed by the parameters that the pass did not use.

    Attributes:
        input_shape: Shape of the input, with the batch dimension.
        layers: The layers.
        receptive_field: The layer that makes the last spatial feature map, whose field is the network's; None if no
            layer makes one.
    """

    input_shape: tuple[int, ...]
    layers: tuple[Layer, ...]
    receptive_field: Layer | None

    @property
    def parameters(self) -> int:
        """Number of parameters, each counted once, however often it is used."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def trainable(self) -> int:
        """Number of parameters that require a gradient."""
        return sum(layer.trainable for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one forward pass over ``input_shape``."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def activation_bytes(self) -> int:
        """Size of all outputs in bytes: about what a forward pass keeps for the backward pass."""
        return sum(layer.activation_bytes for layer in self.layers)


@dataclass(frozen=True, slots=True)
class Count:
    """Number of parameters of a part of a network; a shared parameter counts only in the first part that has it."""

    total: int
    trainable: int

    @property
    def frozen(self) -> int:
        """Number of parameters that do not require a gradient."""
        return self.total - self.trainable


def describe_parameters(
    network: nn.Module, input_shape: Sequence[int], axes: Sequence[int] | None = None
) -> ParameterTable:
    """Return every layer of ``network`` with its parameters, multiply-adds, activation memory and receptive field.

    This traces one pass in evaluation mode, on the meta device if the network runs there (nothing is computed or
    allocated), else on zeros on the device of its weights. Functions count as modules do. The network may be on any
    device; it is left as it was.

    Args:
        network: Any module that takes one tensor.
        input_shape: With the batch dimension: (1, 3, 224, 224), or (1, 300) for a network of tokens.
        axes: As for `convscope.insight.receptive_field.receptive_fields`.

    Raises:
        UserError: The network does not run on an input of this shape.
    """
    return _table(network, input_shape, follow(network, input_shape, axes))


def describe_parameters_of(network: nn.Module, inputs: Sequence[torch.Tensor]) -> ParameterTable:
    """Return the same for a module that takes several tensors, shaped like ``inputs``; fields are those of the first.

    Raises:
        Exception: What the network raises on such inputs.
    """
    return _table(network, inputs[0].shape, follow_inputs(network, inputs))


def _table(network: nn.Module, input_shape: Sequence[int], traced: Tracing) -> ParameterTable:
    last = last_spatial(traced.layers)
    layers = {id(layer): _layer(layer) for layer in traced.layers}
    return ParameterTable(
        tuple(input_shape), (*layers.values(), *_unused(network, traced)), None if last is None else layers[id(last)]
    )


def multiply_adds(network: nn.Module, input_shape: Sequence[int]) -> int:
    """Return the multiply-adds of one forward pass over an input of ``input_shape``, such as (1, 3, 224, 224).

    Raises:
        UserError: The network does not run on an input of this shape.
    """
    return sum(layer.multiply_adds for layer in follow(network, input_shape).layers)


def multiply_adds_of(network: nn.Module, inputs: Sequence[torch.Tensor]) -> int:
    """Return the multiply-adds of one forward pass of a module that takes several tensors, shaped like ``inputs``."""
    return sum(layer.multiply_adds for layer in follow_inputs(network, inputs).layers)


def count_by_part(network: nn.Module, parts: Mapping[str, Sequence[str]]) -> dict[str, Count]:
    """Count the parameters of each part, such as a block, or the layers that a training stage trains.

    Args:
        network: Any module.
        parts: From the name of a part to the paths of its modules or parameters in ``network``; the path "" is the
            whole network.
    """
    counted: set[int] = set()
    counts = {}
    for part, paths in parts.items():
        inside = {
            id(parameter): parameter
            for name, parameter in network.named_parameters()
            if any(path == "" or name == path or name.startswith(f"{path}.") for path in paths)
        }
        new = [parameter for key, parameter in inside.items() if key not in counted]
        counted |= inside.keys()
        counts[part] = Count(
            sum(parameter.numel() for parameter in new),
            sum(parameter.numel() for parameter in new if parameter.requires_grad),
        )
    return counts


def _layer(traced: TracedLayer) -> Layer:
    """Return the table's row for a traced layer."""
    parameters = [parameter for _, parameter in traced.parameters]
    return Layer(
        traced.path,
        traced.kind,
        traced.input,
        traced.output,
        traced.geometry,
        sum(parameter.numel() for parameter in parameters),
        sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        formula(traced),
        traced.multiply_adds,
        traced.activation_bytes,
        field_of(traced.reach),
        tuple(traced.shares),
        tuple(name for name, _ in traced.parameters),
    )


def _unused(network: nn.Module, traced: Tracing) -> Iterator[Layer]:
    """Yield a row for each module with parameters that the pass did not use."""
    holders: dict[str, TracedLayer] = {}
    for name, parameter in traced.unused():
        path = name.rpartition(".")[0]
        module = network.get_submodule(path)
        kind = f"{type(module).__name__}, unused"
        holders.setdefault(path, TracedLayer(path, kind, module, ())).parameters.append((name, parameter))
    yield from map(_layer, holders.values())
