"""Which layers of a network put out a feature map, and which of them a method without a named layer takes."""

import difflib
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import nn

from convscope.errors import UserError
from convscope.insight.tracing.reach import Reach, digits
from convscope.insight.tracing.tracing_inputs import follow_inputs

MOST_NAMES = 40  # in a message

AXES = "(N, C, H, W) along both axes of the image"
UNKNOWN = "and it is not known which of its dimensions run along the rows and columns of the image"


@dataclass(frozen=True)
class _Output:
    """What a module puts out for one image.

    Attributes:
        shape: With the batch.
        spatial: Whether it is a feature map: (1, C, H, W), H and W along the rows and columns of the image, with
            more than one place. More than one in the batch are heads, groups or windows that were folded into it.
        places: Whether it has several places of the image in any order, such as tokens or maps (1, H, W, C).
        unknown: Whether it may be a feature map: its rows or columns were lost on the way.
    """

    shape: tuple[int, ...]
    spatial: bool
    places: bool
    unknown: bool = False

    def __str__(self) -> str:
        batch, *rest = self.shape
        return f"({', '.join(['N' if batch == 1 else f'N·{batch}', *map(str, rest)])})"


# For each network and size of input: what its modules put out.
_found: WeakKeyDictionary[nn.Module, dict[tuple[int, ...], dict[str, _Output]]] = WeakKeyDictionary()


def spatial_layers(model: nn.Module, inputs: torch.Tensor) -> dict[str, tuple[int, ...]]:
    """Paths of the modules that put out a feature map, with its shape (C, H, W), in the order in which they end.

    A feature map is a tensor (N, C, H, W) with more than one place, whose rows and columns are those of the image.
    That is known from following one image of ``inputs`` through the network, once for each size of input: maps
    (N, H, W, C), tokens and windows are none. The whole network is not among them.
    """
    return {path: output.shape[1:] for path, output in _outputs(model, inputs).items() if output.spatial}


def _outputs(model: nn.Module, inputs: torch.Tensor) -> dict[str, _Output]:
    known = _found.setdefault(model, {})
    size = tuple(inputs.shape[1:])
    if size not in known:
        with torch.inference_mode(False):
            example = inputs[:1].detach().clone(memory_format=torch.contiguous_format)
        outputs = follow_inputs(model, (example,)).outputs
        known[size] = {path: _output(*output, size[1:]) for path, output in outputs.items() if path}
    return known[size]


def _output(shape: tuple[int, ...], reach: Reach | None, image: tuple[int, ...]) -> _Output:
    if reach is None or len(reach.layout) != len(shape):
        return _Output(shape, spatial=False, places=False)
    # The input axes that each dimension runs along; -1 is none, as of batch and channels.
    along = [{axis for axis, count, _ in dimension if count > 1} for dimension in reach.layout]
    # Places in the channels of a single place, (1, C, 1, 1), are as in (1, C).
    places = any(size > 1 for size in shape[2:]) and any(axis >= 0 for axes in along for axis in axes)
    maps = places and len(shape) == 4 and shape[0] == 1  # that of the traced input
    spatial = (
        maps
        and along[1] <= {-1}
        and along[2] <= {0}
        and along[3] <= {1}
        and not any(_pooled(reach, axis) for axis, size in enumerate(image) if size > 1)
    )
    axes = [axis for axis, size in enumerate(image) if size > 1]
    unknown = maps and not spatial and any(_lost(reach, axis, shape[2 + axis]) for axis in axes)
    return _Output(shape, spatial, places, unknown)


def _pooled(reach: Reach, axis: int) -> bool:
    """Whether a mean or a maximum left one place for all of ``axis``, not a window on a small input."""
    return reach.maps[axis] is None and not digits(reach.layout, axis)


def _lost(reach: Reach, axis: int, size: int) -> bool:
    """Whether ``axis``, of ``size`` places in a feature map, has none that are known, or the same ones twice."""
    weights = [weight for _, weight in digits(reach.layout, axis)]
    return size > 1 if not weights else len({*weights}) < len(weights)


def find_spatial_layer(model: nn.Module, inputs: torch.Tensor, layer: str | nn.Module | None) -> tuple[str, nn.Module]:
    """Path and module of ``layer`` (its path, or itself), or of the last one with a feature map.

    Raises:
        UserError: It does not exist, or puts out no feature map; those that do are listed. Or none is named, and the
            network goes on with places that are in another order after its last feature map, as transformers do, or
            in one that is not known.
    """
    outputs, spatial = _outputs(model, inputs), spatial_layers(model, inputs)
    instead = "or choose a method without a layer, such as gradient"
    if layer is None:
        last = next((path for path, output in reversed(outputs.items()) if output.places), None)
        if last is None:
            raise UserError("the network has no layer that puts out a feature map (N, C, H, W) of more than one place")
        if last not in spatial:
            but = UNKNOWN if outputs[last].unknown else f"and not {AXES}"
            raise UserError(
                f"the network's last map, of {last}, is {outputs[last]}, {but}; name another with layer=, of: "
                f"{_listed(spatial)}; {instead}"
            )
        return last, model.get_submodule(last)
    modules = dict(model.named_modules())
    path = layer if isinstance(layer, str) else next((p for p, m in modules.items() if m is layer), "")
    if path not in modules or path == "":
        named = path or (type(layer).__name__ if isinstance(layer, nn.Module) else "''")
        near = difflib.get_close_matches(named, spatial, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UserError(f"layer={named}: the network has no such layer{hint}; with a feature map: {_listed(spatial)}")
    if path not in spatial:
        found, these = f"puts out no feature map {AXES}", "do"
        if path in outputs:
            found = f"puts out {outputs[path]}, which is no feature map {AXES}"
            if outputs[path].unknown:
                found, these = f"puts out {outputs[path]}, {UNKNOWN}", f"put out a feature map {AXES}"
        raise UserError(f"layer={path}: {found}; these layers {these}: {_listed(spatial)}; {instead}")
    return path, modules[path]


def layers_along_depth(model: nn.Module, inputs: torch.Tensor, max_layers: int) -> list[str]:
    """At most ``most`` paths of layers with a feature map, from the input up.

    The last of each resolution; in a network of fewer than three, layers that contain no other, evenly spaced.
    """
    spatial = spatial_layers(model, inputs)
    by_resolution = {shape[1:]: path for path, shape in spatial.items()}  # the last one stays
    paths = sorted(by_resolution.values(), key=list(spatial).index)
    if len(paths) < 3:
        paths = [path for path in spatial if not any(other.startswith(f"{path}.") for other in spatial)]
    count = min(max_layers, len(paths))
    # the last one is always among them
    return [paths[len(paths) * number // count - 1] for number in range(1, count + 1)]


def _listed(spatial: dict[str, tuple[int, ...]]) -> str:
    # A container and the last layer in it put out the same: of equal shapes in a row, the outermost names will do.
    paths = list(spatial)
    if len(paths) > MOST_NAMES:
        paths = [path for path in paths if path.count(".") <= 1][:MOST_NAMES] or paths[:MOST_NAMES]
        return f"{', '.join(paths)}, ... ({len(spatial)} in all)"
    return ", ".join(paths) or "none"
