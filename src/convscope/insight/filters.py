"""What the layers learned: filters, the patches with the highest activation of each unit, feature maps of an image."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from convscope.errors import UserError
from convscope.insight.frozen_network import frozen
from convscope.insight.layer_output import may_fold
from convscope.insight.saliency.rectifiers import deconvnet_rule, refuse_compiled, refuse_other_activations
from convscope.insight.spatial_layers import find_spatial_layer, spatial_layers
from convscope.insight.undisturbed import undisturbed


class FieldGeometry(Protocol):
    """A receptive field along both axes, such as a `convscope.insight.receptive_field.Field`; None: all of the axis.

    The field of position ``p`` of a feature map begins at pixel ``stride * p - padding`` and is ``size`` pixels long.
    """

    @property
    def size(self) -> Sequence[int | None]:
        """Pixels that a position sees along each axis."""

    @property
    def stride(self) -> Sequence[Any]:
        """Pixels between neighbouring positions along each axis."""

    @property
    def padding(self) -> Sequence[int | None]:
        """Pixels that position 0 sees before the first pixel of the image, along each axis."""


def patch(field: FieldGeometry | None, place: Sequence[int], image: Sequence[int]) -> tuple[slice, slice]:
    """Return the rows and columns of an image (height, width) that ``place`` (row, column) sees, without padding."""
    slices = []
    for axis in (0, 1):
        length = image[axis]
        size = None if field is None else field.size[axis]
        if field is None or size is None:
            slices.append(slice(0, length))
            continue
        # A stride may be a fraction, after upsampling.
        first = int((field.stride[axis] or 0) * place[axis]) - int(field.padding[axis] or 0)
        slices.append(slice(min(max(0, first), length - 1), max(min(length, first + size), 1)))
    return slices[0], slices[1]


@dataclass(frozen=True)
class Patches:
    """The highest activations of some units of a layer, and where they are.

    Attributes:
        layer: Path of the layer.
        units: (U,) int64, the channels.
        activations: (U, K), the highest first; -inf where there were fewer images.
        images: (U, K) int64, the number of the image, counted from 0 over all batches.
        places: (U, K, 2) int64, row and column in the feature map.
    """

    layer: str
    units: torch.Tensor
    activations: torch.Tensor
    images: torch.Tensor
    places: torch.Tensor


def first_layer_filters(model: nn.Module) -> tuple[str, torch.Tensor]:
    """Return path and weights (filters, channels, h, w) of the first two-dimensional convolution.

    Raises:
        UserError: The network has no two-dimensional convolution.
    """
    for path, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            return path, module.weight.detach().clone()
    raise UserError("the network has no two-dimensional convolution, whose filters could be shown")


def feature_maps(
    model: nn.Module, inputs: torch.Tensor, layers: Sequence[str] | None = None
) -> dict[str, torch.Tensor]:
    """Return the feature maps (N, C, h, w) of each layer, by the layer's path, in the order of execution.

    Args:
        model: Maps images (N, C, H, W) to logits.
        inputs: The images, normalised.
        layers: Paths of the layers; None: every one that puts out a feature map and contains no other such layer.

    Raises:
        UserError: A layer does not exist, or puts out no feature map.
    """
    if layers is None:
        spatial = spatial_layers(model, inputs)
        layers = [path for path in spatial if not any(other.startswith(f"{path}.") for other in spatial)]
    modules = {path: find_spatial_layer(model, inputs, path)[1] for path in layers}
    maps: dict[str, torch.Tensor] = {}

    def keep(path: str, output: torch.Tensor) -> None:
        maps.pop(path, None)  # a layer that is called again counts where it was called last
        maps[path] = output.detach().clone().contiguous()  # a later in-place layer may overwrite it

    with undisturbed(model), torch.no_grad():
        handles = [
            module.register_forward_hook(lambda m, i, output, path=path: keep(path, output))
            for path, module in modules.items()
        ]
        try:
            model(inputs.detach().clone(memory_format=torch.contiguous_format))
        finally:
            for handle in handles:
                handle.remove()
    return maps


class _ReachedError(Exception):
    """Stops the forward pass once the output of the wanted layer is known."""


def _layer_output(forward: Callable[[torch.Tensor], object], inputs: torch.Tensor, module: nn.Module) -> torch.Tensor:
    """Return the output of ``module`` in ``forward(inputs)``, with its graph if autograd is on.

    Layers after it do not run.
    """
    outputs: list[torch.Tensor] = []

    def stop(m: nn.Module, i: object, output: torch.Tensor) -> None:
        outputs.append(output)
        raise _ReachedError

    handle = module.register_forward_hook(stop)
    try:
        forward(inputs)
    except _ReachedError:
        pass
    finally:
        handle.remove()
    if not outputs:
        raise UserError("layer: the network did not call it")
    return outputs[0]


def strongest_patches(
    model: nn.Module,
    batches: Iterable[torch.Tensor],
    layer: str | None = None,
    *,
    units: Sequence[int] | int = 16,
    per_unit: int = 9,
) -> Patches:
    """Find in which images, and where, units of a layer are most active (Zeiler & Fergus 2014, figure 2).

    Only the highest activation of each image counts. Memory does not grow with the number of images.

    Args:
        model: Maps images (N, C, H, W) to logits.
        batches: Normalised images (N, C, H, W), batch after batch.
        layer: Path of a layer with a feature map; None: the last.
        units: Channels; or how many: then those whose maximum is furthest above their mean in the first batch.
        per_unit: Patches per unit.

    Raises:
        UserError: There are no images, or no such layer or unit.
    """
    kept: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None
    chosen: torch.Tensor | None = None
    path, count = "", 0
    for batch in batches:
        if chosen is None:
            path, module = find_spatial_layer(model, batch, layer)
        with frozen(model, batch, fold=may_fold(module)) as network, torch.no_grad():
            activations = _layer_output(network.forward, network.copy(batch), module).flatten(2)
        width = spatial_layers(model, batch)[path][2]
        if chosen is None:
            chosen = _choose_units(activations, units, path)
        highest, index = activations[:, chosen].max(dim=2)  # (N, U)
        images = torch.arange(count, count + len(batch), device=batch.device)[:, None].expand_as(highest)
        count += len(batch)
        places = torch.stack([index // width, index % width], dim=-1)
        if kept is not None:
            highest = torch.cat([kept[0], highest])
            images, places = torch.cat([kept[1], images]), torch.cat([kept[2], places])
        order = highest.argsort(dim=0, descending=True, stable=True)[:per_unit]
        kept = highest.gather(0, order), images.gather(0, order), places.gather(0, order[..., None].expand(-1, -1, 2))
    if kept is None or chosen is None:
        raise UserError("images: there are none")
    return Patches(path, chosen.cpu(), kept[0].T.cpu(), kept[1].T.cpu(), kept[2].transpose(0, 1).cpu())


def _choose_units(activations: torch.Tensor, units: Sequence[int] | int, layer: str) -> torch.Tensor:
    """Return the channels (U,) that ``units`` names, or that many of the most active ones.

    ``activations`` (N, C, H·W) are those of the layer whose path is ``layer``.
    """
    channels = activations.shape[1]
    if isinstance(units, int):
        strength = activations.amax(dim=(0, 2)) - activations.mean(dim=(0, 2))
        return strength.argsort(descending=True, stable=True)[:units].sort().values
    wrong = [unit for unit in units if not 0 <= unit < channels]
    if wrong or not units:
        raise UserError(f"units={list(units)}: layer {layer} has units 0 to {channels - 1}")
    return torch.tensor(list(units), device=activations.device)


def projections(
    model: nn.Module, inputs: torch.Tensor, layer: str, units: torch.Tensor, places: torch.Tensor
) -> torch.Tensor:
    """Project one activation of each image back to the pixels by a deconvnet (Zeiler & Fergus 2014, section 2.1).

    All other activations of the layer are set to 0. The rules are those of `convscope.insight.saliency.deconvnet`,
    which begins at a class.

    Args:
        model: Maps images (N, C, H, W) to logits.
        inputs: The images, normalised.
        layer: Path of a layer with a feature map.
        units: (N,) int64, the channel of each image.
        places: (N, 2) int64, row and column in the feature map.

    Returns:
        (N, C, H, W), signed.

    Raises:
        UserError: There is no such layer, or its activations cannot be inverted, as in
            `convscope.insight.saliency.deconvnet`.
    """
    _, module = find_spatial_layer(model, inputs, layer)
    refuse_compiled(model, "deconvnet projections")
    with frozen(model, inputs, fold=may_fold(module)) as network, deconvnet_rule(model):
        leaf = network.copy(inputs).requires_grad_()
        # a clone: autograd forbids in-place operations on a leaf
        activations = _layer_output(network.forward, leaf.clone(), module)
        rows = torch.arange(len(inputs), device=inputs.device)
        # copies: autograd saves the indices, and refuses tensors that were made in inference mode
        units, places = units.clone().to(inputs.device), places.clone().to(inputs.device)
        selected = activations[rows, units, places[:, 0], places[:, 1]]
        # d (a²/2) / da = a: the backward signal is the unit's own activation.
        total = selected.square().sum() / 2
        refuse_other_activations(total, "deconvnet projections", require_relu=False)
        (projected,) = torch.autograd.grad(total, leaf)
    return projected.contiguous()


def projections_or_none(
    model: nn.Module, inputs: torch.Tensor, layer: str, units: torch.Tensor, places: torch.Tensor
) -> torch.Tensor | None:
    """Return `projections`, or None for a network whose activations a deconvnet cannot invert."""
    try:
        return projections(model, inputs, layer, units, places)
    except UserError:
        return None
