"""What the layers learned: their filters, the patches that excite their units most, the feature maps of an image."""

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
    """A receptive field along both axes, as ``insight.receptive_field`` gives it; None: all of the axis.

    The field of place ``p`` of a feature map begins at the pixel ``stride * p - padding`` and is ``size`` long.
    """

    @property
    def size(self) -> Sequence[int | None]:
        """Pixels that a place sees."""

    @property
    def stride(self) -> Sequence[Any]:
        """Pixels between neighbouring places."""

    @property
    def padding(self) -> Sequence[int | None]:
        """Pixels before the first of the image that place 0 reaches to."""


def patch(field: FieldGeometry | None, place: Sequence[int], image: Sequence[int]) -> tuple[slice, slice]:
    """Rows and columns of an image (height, width) that a ``place`` (row, column) sees, without the padding."""
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
    """The strongest answers of some units of a layer.

    Attributes:
        layer: Path of the layer.
        units: (U,) the channels.
        activations: (U, K), the strongest first; -inf where there were fewer images.
        images: (U, K) int64, which of the images, in the order in which they came.
        places: (U, K, 2) int64, row and column in the feature map.
    """

    layer: str
    units: torch.Tensor
    activations: torch.Tensor
    images: torch.Tensor
    places: torch.Tensor


def first_layer_filters(model: nn.Module) -> tuple[str, torch.Tensor]:
    """Path and weights (filters, channels, h, w) of the first two-dimensional convolution: what it looks for in pixels.

    Raises:
        UserError: The network has none.
    """
    for path, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            return path, module.weight.detach().clone()
    raise UserError("the network has no two-dimensional convolution, whose filters could be shown")


def feature_maps(
    model: nn.Module, inputs: torch.Tensor, layers: Sequence[str] | None = None
) -> dict[str, torch.Tensor]:
    """What each layer makes of the images: feature maps (N, C, h, w) by the layer's path, from the input up.

    Args:
        model: Images (N, C, H, W) to logits.
        inputs: The images.
        layers: Paths of the layers; None: every one that puts out a feature map and contains no other.

    Raises:
        UserError: A layer does not exist, or puts out no feature map.
    """
    if layers is None:
        spatial = spatial_layers(model, inputs)
        layers = [path for path in spatial if not any(other.startswith(f"{path}.") for other in spatial)]
    modules = {path: find_spatial_layer(model, inputs, path)[1] for path in layers}
    seen: dict[str, torch.Tensor] = {}

    def keep(path: str, output: torch.Tensor) -> None:
        seen.pop(path, None)  # of a layer that is called again, the last call counts, in its place
        seen[path] = output.detach().clone().contiguous()  # a later in-place layer may overwrite it

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
    return seen


class _ReachedError(Exception):
    """The layer has answered; what comes after it need not be computed."""


def _answers(forward: Callable[[torch.Tensor], object], inputs: torch.Tensor, module: nn.Module) -> torch.Tensor:
    """The output of ``module`` in ``forward(inputs)``, with its graph where autograd is on; what follows is not run."""
    answers: list[torch.Tensor] = []

    def stop(m: nn.Module, i: object, output: torch.Tensor) -> None:
        answers.append(output)
        raise _ReachedError

    handle = module.register_forward_hook(stop)
    try:
        forward(inputs)
    except _ReachedError:
        pass
    finally:
        handle.remove()
    if not answers:
        raise UserError("layer: the network did not call it")
    return answers[0]


def strongest_patches(
    model: nn.Module,
    batches: Iterable[torch.Tensor],
    layer: str | None = None,
    *,
    units: Sequence[int] | int = 16,
    per_unit: int = 9,
) -> Patches:
    """For units of a layer: in which images, and where, they answered most (Zeiler & Fergus 2014, figure 2).

    Of each image, the strongest place alone counts. Memory does not grow with the number of images.

    Args:
        model: Images (N, C, H, W) to logits.
        batches: Normalised images (N, C, H, W), batch after batch.
        layer: Path of a layer with a feature map; None: the last.
        units: The channels to look at, or how many: those, then, that answered most in the first batch.
        most: Patches a unit.

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
            answers = _answers(network.forward, network.copy(batch), module).flatten(2)
        width = spatial_layers(model, batch)[path][2]
        if chosen is None:
            chosen = _choose(answers, units, path)
        best, at = answers[:, chosen].max(dim=2)  # (N, U)
        images = torch.arange(count, count + len(batch), device=batch.device)[:, None].expand_as(best)
        count += len(batch)
        places = torch.stack([at // width, at % width], dim=-1)
        if kept is not None:
            best = torch.cat([kept[0], best])
            images, places = torch.cat([kept[1], images]), torch.cat([kept[2], places])
        order = best.argsort(dim=0, descending=True, stable=True)[:per_unit]
        kept = best.gather(0, order), images.gather(0, order), places.gather(0, order[..., None].expand(-1, -1, 2))
    if kept is None or chosen is None:
        raise UserError("images: there are none")
    return Patches(path, chosen.cpu(), kept[0].T.cpu(), kept[1].T.cpu(), kept[2].transpose(0, 1).cpu())


def _choose(answers: torch.Tensor, units: Sequence[int] | int, layer: str) -> torch.Tensor:
    channels = answers.shape[1]
    if isinstance(units, int):
        strength = answers.amax(dim=(0, 2)) - answers.mean(dim=(0, 2))
        return strength.argsort(descending=True, stable=True)[:units].sort().values
    wrong = [unit for unit in units if not 0 <= unit < channels]
    if wrong or not units:
        raise UserError(f"units={list(units)}: layer {layer} has units 0 to {channels - 1}")
    return torch.tensor(list(units), device=answers.device)


def projections(
    model: nn.Module, inputs: torch.Tensor, layer: str, units: torch.Tensor, places: torch.Tensor
) -> torch.Tensor:
    """What in each image excited a unit: its one activation sent back through a deconvnet (section 2.1).

    All other activations of the layer are set to 0. By the deconvnet's rules, as `saliency.deconvnet` from a class.

    Args:
        model: Images (N, C, H, W) to logits.
        inputs: The images.
        layer: Path of a layer with a feature map.
        units: (N,) int64, a channel for each image.
        places: (N, 2) int64, row and column in the feature map.

    Returns:
        (N, C, H, W), signed.

    Raises:
        UserError: As `convscope.insight.saliency.deconvnet`, or there is no such layer.
    """
    _, module = find_spatial_layer(model, inputs, layer)
    refuse_compiled(model, "deconvnet projections")
    with frozen(model, inputs, fold=may_fold(module)) as network, deconvnet_rule(model):
        leaf = network.copy(inputs).requires_grad_()
        answers = _answers(network.forward, leaf.clone(), module)  # autograd takes no work in place on a leaf
        rows = torch.arange(len(inputs), device=inputs.device)
        # copies: autograd keeps indices, and takes none that were made in inference mode
        units, places = units.clone().to(inputs.device), places.clone().to(inputs.device)
        chosen = answers[rows, units, places[:, 0], places[:, 1]]
        # d (a²/2) / da = a: the unit's own activation is what is sent back.
        total = chosen.square().sum() / 2
        refuse_other_activations(total, "deconvnet projections", some=False)
        (back,) = torch.autograd.grad(total, leaf)
    return back.contiguous()


def projections_or_none(
    model: nn.Module, inputs: torch.Tensor, layer: str, units: torch.Tensor, places: torch.Tensor
) -> torch.Tensor | None:
    """`projections`; None for a network whose activations no deconvnet knows."""
    try:
        return projections(model, inputs, layer, units, places)
    except UserError:
        return None
