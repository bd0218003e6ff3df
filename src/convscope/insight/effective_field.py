"""How much of its receptive field a network uses: Luo, Li, Urtasun & Zemel 2016, "Understanding the effective
receptive field in deep convolutional neural networks".

The gradient of a central unit with respect to the input says how much each input position matters to it (section 2).
In a plain network of random weights it falls off as a Gaussian, whose radius grows with the root of the depth while
the theoretical field grows with the depth: the share that is used shrinks as 1/√depth (section
2.2). Training widens it.
"""

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map_only

from convscope.errors import UserError
from convscope.insight.receptive_field import Field, LayerField, receptive_fields
from convscope.insight.undisturbed import undisturbed

PEAK_SHARE = 0.05  # of the peak: positions above it belong to the effective field (the paper: 1 - 95.45 %)


@dataclass(frozen=True)
class EffectiveField:
    """The effective receptive field of a layer's central unit.

    Attributes:
        layer: Path of the layer.
        gradient: Absolute gradient, its mean over images and sum over input channels, float32 on the CPU: (height,
            width), or (length,).
        centre: Input position of the unit's centre along each axis; a half lies between two positions.
        field: The theoretical receptive field of the layer; None if tracing found none.
        radius: Two standard deviations of the gradient's spread, in input positions, the mean of the axes.
        area: Number of input positions above 5 % of the peak.
        side_of_half, side_of_most: Side, in input positions, of the square around the centre that holds 50 % and 95 %
            of the gradient's sum.
        share: √area over the side of the theoretical field; None if there is none, or it covers an axis of the input.
    """

    layer: str
    gradient: torch.Tensor
    centre: tuple[float, ...]
    field: Field | None
    radius: float
    area: int
    side_of_half: float
    side_of_most: float
    share: float | None

    @property
    def side(self) -> float:
        """Side of the square with the same area; in one dimension, the area itself."""
        return float(self.area ** (1 / self.gradient.ndim))


def measure_effective_field(
    network: nn.Module, images: torch.Tensor, layer: str | LayerField | None = None, batch_size: int = 8
) -> EffectiveField:
    """Measure the effective receptive field of a layer's central unit, in evaluation mode, averaged over inputs.

    The unit is the sum of all channels at the central position. The network is left as it was: no ``.grad`` is
    touched, and modes, flags and hooks are restored.

    Args:
        network: Any module that takes one tensor.
        images: (N, C, H, W) or (N, C, L), normalised images or sequences, or noise (``torch.randn``).
        layer: Path of a module that makes a feature map, or the result of `find_field_layer`, which saves tracing the
            network again; None: the last that makes one.
        batch_size: Inputs per pass, which bounds the memory.

    Raises:
        UserError: No layer has that path, its output is no feature map, or its gradient is zero or not finite.
    """
    theoretical = layer if isinstance(layer, LayerField) else find_field_layer(network, tuple(images.shape), layer)
    with undisturbed(network):
        total = torch.zeros(images.shape[2:], dtype=torch.float64)
        for batch in images.split(batch_size):
            images_of_batch = batch.clone(memory_format=torch.contiguous_format)
            # To the CPU first: not every device has float64.
            total += _gradient(network, images_of_batch, theoretical).abs().sum(dim=(0, 1)).cpu().double()
        gradient = (total / len(images)).float()
    if not torch.isfinite(gradient).all() or gradient.sum() == 0:
        raise UserError(f"layer={theoretical.path}: the gradient of its central unit is 0 everywhere, or not finite")
    return _measured(gradient, theoretical)


def find_field_layer(network: nn.Module, shape: tuple[int, ...], layer: str | None = None) -> LayerField:
    """Return the layer whose effective field is measured for inputs of ``shape``, (N, C, H, W) or (N, C, L).

    Args:
        network: Any module that takes one tensor.
        shape: Shape of the inputs, with the batch dimension.
        layer: Path of a module that makes a feature map; None: the last that makes one.

    Raises:
        UserError: No layer has that path, or its output is no feature map.
    """
    modules = dict(network.named_modules())
    fields = [field for field in receptive_fields(network, (1, *shape[1:])) if field.path in modules]
    maps = [field for field in fields if len(field.places) == len(shape) - 2 and None not in field.places]
    if layer is None:
        spatial = [field for field in maps if field.field is not None and not field.field.everything]
        if not (spatial or maps):
            raise UserError("layer: the network makes no feature map; name a layer whose output has positions")
        return (spatial or maps)[-1]
    matches = [field for field in maps if field.path == layer]
    if matches:
        return matches[-1]
    similar = ", ".join(difflib.get_close_matches(layer, [field.path for field in maps], n=5, cutoff=0.3)) or "none"
    if any(field.path == layer for field in fields):
        raise UserError(f"layer={layer}: its output is no feature map; near names of layers with one: {similar}")
    raise UserError(f"layer={layer}: the network runs no such layer; near names: {similar}")


def _gradient(network: nn.Module, images: torch.Tensor, layer: LayerField) -> torch.Tensor:
    """Return the gradient, shaped like ``images``, of the sum of all channels at the layer's central position."""
    outputs: list[torch.Tensor] = []

    def keep(module: nn.Module, inputs: object, output: Any) -> Any:
        # A recurrent layer returns its states beside its output, which comes first, as for the tracing.
        outputs.extend([leaf for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor)][:1])
        return tree_map_only(torch.Tensor, torch.clone, output)  # later layers may overwrite it in place

    images.requires_grad_(True)
    hook = network.get_submodule(layer.path).register_forward_hook(keep)
    try:
        network(images.clone())  # autograd forbids in-place operations on a leaf
    finally:
        hook.remove()
    dimensions = [dimension for dimension in layer.places if dimension is not None]
    # The module may be called again later, on a tensor that is no feature map.
    output = [output for output in outputs if output.ndim > max(dimensions)][-1]
    index: list[int | slice] = [slice(None)] * output.ndim
    for dimension in dimensions:
        index[dimension] = output.shape[dimension] // 2
    seed = torch.zeros_like(output)
    seed[tuple(index)] = 1.0
    (gradient,) = torch.autograd.grad(output, images, seed)
    return gradient


def _measured(gradient: torch.Tensor, layer: LayerField) -> EffectiveField:
    """Compute the figures of the effective field from the mean absolute gradient (H, W) or (L,)."""
    mass = gradient.double() / gradient.double().sum()
    positions = [torch.arange(n, dtype=torch.float64) for n in gradient.shape]
    shares = [mass.movedim(axis, 0).flatten(1).sum(1) if mass.ndim > 1 else mass for axis in range(mass.ndim)]
    means = [float((share * at).sum()) for share, at in zip(shares, positions, strict=True)]
    spreads = [
        float((share * (at - mean) ** 2).sum()) for share, at, mean in zip(shares, positions, means, strict=True)
    ]
    field = layer.field
    centre = tuple(
        mean
        if field is None or field.offset[axis] is None or dimension is None
        else float(field.offset[axis] + (layer.output[dimension] // 2) * field.stride[axis])  # type: ignore[operator]
        for axis, (mean, dimension) in enumerate(zip(means, layer.places, strict=True))
    )
    grid = torch.meshgrid(*((at - c).abs() for at, c in zip(positions, centre, strict=True)), indexing="ij")
    distance = torch.stack(grid).amax(dim=0).flatten()
    order = distance.argsort()
    cumulative = mass.flatten()[order].cumsum(0)
    side_of_half, side_of_most = (
        2 * float(distance[order][min(int(torch.searchsorted(cumulative, share)), len(cumulative) - 1)]) + 1
        for share in (0.5, 0.95)
    )
    area = int((gradient > PEAK_SHARE * gradient.max()).sum())
    share = None
    if field is not None and not field.everything:
        theoretical = math.prod(size for size in field.size if size is not None)
        share = (area / theoretical) ** (1 / gradient.ndim)
    radius = 2 * math.sqrt(sum(spreads) / len(spreads))
    return EffectiveField(layer.path, gradient, centre, field, radius, area, side_of_half, side_of_most, share)


def noise(shape: Sequence[int], seed: int = 0) -> torch.Tensor:
    """Return standard normal noise of ``shape`` on the CPU, the same for the same seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
