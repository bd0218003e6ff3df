"""The layers of a network that put out a feature map, and the one that Grad-CAM and the like take by default."""

import difflib
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import nn

from convscope.errors import UserError
from convscope.insight.tracing.reach import Reach, factors_along
from convscope.insight.tracing.tracing_inputs import follow_inputs

MAX_LISTED_NAMES = 40  # in an error message

AXES = "(N, C, H, W) along both axes of the image"
UNKNOWN = "and it is not known which of its dimensions run along the rows and columns of the image"


@dataclass(frozen=True)
class _Output:
    """The output of a module for one image.

    Attributes:
        shape: Shape with the batch dimension.
        spatial: Whether it is a feature map: (1, C, H, W), H and W along the rows and columns of the image, with
            more than one position. A larger batch means that heads, groups or windows were folded into it.
        has_positions: Whether it has several positions of the image in any order, such as tokens or (1, H, W, C).
        unknown: Whether it may be a feature map, but tracing lost which dimensions are its rows and columns.
    """

    shape: tuple[int, ...]
    spatial: bool
    has_positions: bool
    unknown: bool = False

    def __str__(self) -> str:
        batch, *rest = self.shape
        return f"({', '.join(['N' if batch == 1 else f'N·{batch}', *map(str, rest)])})"


# For each network and shape (C, H, W) of its input: the outputs of its modules, by path.
_output_cache: WeakKeyDictionary[nn.Module, dict[tuple[int, ...], dict[str, _Output]]] = WeakKeyDictionary()


def spatial_layers(model: nn.Module, inputs: torch.Tensor) -> dict[str, tuple[int, ...]]:
    """Return the modules that put out a feature map: path to shape (C, H, W), in the order in which they finish.

    A feature map is a tensor (N, C, H, W) with more than one position, whose rows and columns are those of the image.
    Tensors (N, H, W, C), tokens and windows are none. This traces one image of ``inputs`` through the network, once
    for each input size. The whole network is not among the modules.
    """
    return {path: output.shape[1:] for path, output in _outputs(model, inputs).items() if output.spatial}


def _outputs(model: nn.Module, inputs: torch.Tensor) -> dict[str, _Output]:
    """Return the output of each module by path, in the order in which they finish; cached for each input size."""
    by_size = _output_cache.setdefault(model, {})
    size = tuple(inputs.shape[1:])
    if size not in by_size:
        with torch.inference_mode(False):
            example = inputs[:1].detach().clone(memory_format=torch.contiguous_format)
        outputs = follow_inputs(model, (example,)).outputs
        by_size[size] = {path: _output(*output, size[1:]) for path, output in outputs.items() if path}
    return by_size[size]


def _output(shape: tuple[int, ...], reach: Reach | None, image: tuple[int, ...]) -> _Output:
    """Classify a module's output of ``shape`` for an image of size ``image`` (H, W)."""
    if reach is None or len(reach.layout) != len(shape):
        return _Output(shape, spatial=False, has_positions=False)
    # The input axes that each dimension runs along; -1 stands for none, as for batch and channels.
    along = [{axis for axis, count, _ in dimension if count > 1} for dimension in reach.layout]
    # Positions folded into the channels of a (1, C, 1, 1) count as little as in (1, C).
    has_positions = any(size > 1 for size in shape[2:]) and any(axis >= 0 for axes in along for axis in axes)
    is_map = has_positions and len(shape) == 4 and shape[0] == 1  # the batch size of the traced input
    spatial = (
        is_map
        and along[1] <= {-1}
        and along[2] <= {0}
        and along[3] <= {1}
        and not any(_pooled_to_one(reach, axis) for axis, size in enumerate(image) if size > 1)
    )
    axes = [axis for axis, size in enumerate(image) if size > 1]
    unknown = is_map and not spatial and any(_axis_unknown(reach, axis, shape[2 + axis]) for axis in axes)
    return _Output(shape, spatial, has_positions, unknown)


def _pooled_to_one(reach: Reach, axis: int) -> bool:
    """Return whether a mean or maximum reduced all of ``axis`` to one position; a window on a small input does not."""
    return reach.maps[axis] is None and not factors_along(reach.layout, axis)


def _axis_unknown(reach: Reach, axis: int, size: int) -> bool:
    """Return whether tracing lost ``axis``, of ``size`` positions: no dimension has it, or two have the same part."""
    weights = [weight for _, weight in factors_along(reach.layout, axis)]
    return size > 1 if not weights else len({*weights}) < len(weights)


def find_spatial_layer(model: nn.Module, inputs: torch.Tensor, layer: str | nn.Module | None) -> tuple[str, nn.Module]:
    """Return path and module of ``layer``, which is its path or the module; None: the last one with a feature map.

    Raises:
        UserError: The layer does not exist, or puts out no feature map; the message lists those that do. Or ``layer``
            is None, and after its last feature map the network arranges positions in another way, as transformers do,
            or in an unknown one.
    """
    outputs, spatial = _outputs(model, inputs), spatial_layers(model, inputs)
    alternative = "or choose a method without a layer, such as gradient"
    if layer is None:
        last = next((path for path, output in reversed(outputs.items()) if output.has_positions), None)
        if last is None:
            raise UserError(
                "the network has no layer that puts out a feature map (N, C, H, W) of more than one position"
            )
        if last not in spatial:
            reason = UNKNOWN if outputs[last].unknown else f"which is no feature map {AXES}"
            raise UserError(
                f"the last layer with positions, {last}, puts out {outputs[last]}, {reason}; choose one with layer=: "
                f"{_list_layers(spatial)}; {alternative}"
            )
        return last, model.get_submodule(last)
    modules = dict(model.named_modules())
    path = layer if isinstance(layer, str) else next((p for p, m in modules.items() if m is layer), "")
    if path not in modules or path == "":
        requested = path or (type(layer).__name__ if isinstance(layer, nn.Module) else "''")
        matches = difflib.get_close_matches(requested, spatial, n=3)
        hint = f"; did you mean {' or '.join(matches)}? With" if matches else "; with"
        raise UserError(
            f"layer={requested}: the network has no such layer{hint} a feature map: {_list_layers(spatial)}"
        )
    if path not in spatial:
        problem, verb = f"puts out no feature map {AXES}", "do"
        if path in outputs:
            problem = f"puts out {outputs[path]}, which is no feature map {AXES}"
            if outputs[path].unknown:
                problem, verb = f"puts out {outputs[path]}, {UNKNOWN}", f"put out a feature map {AXES}"
        raise UserError(f"layer={path}: {problem}; these layers {verb}: {_list_layers(spatial)}; {alternative}")
    return path, modules[path]


def layers_along_depth(model: nn.Module, inputs: torch.Tensor, max_layers: int) -> list[str]:
    """Return the paths of at most ``max_layers`` layers with a feature map, in the order of execution.

    They are the last layer of each resolution; in a network of fewer than three resolutions, layers that contain no
    other such layer. If there are too many, an evenly spaced choice of them that includes the last.
    """
    spatial = spatial_layers(model, inputs)
    by_resolution = {shape[1:]: path for path, shape in spatial.items()}  # the last one stays
    paths = sorted(by_resolution.values(), key=list(spatial).index)
    if len(paths) < 3:
        paths = [path for path in spatial if not any(other.startswith(f"{path}.") for other in spatial)]
    count = min(max_layers, len(paths))
    # the last one is always among them
    return [paths[len(paths) * number // count - 1] for number in range(1, count + 1)]


def _list_layers(spatial: dict[str, tuple[int, ...]]) -> str:
    """Return the paths in ``spatial`` for an error message."""
    # A container and its last layer put out the same tensor, so in a long list the short paths suffice.
    paths = list(spatial)
    if len(paths) > MAX_LISTED_NAMES:
        paths = [path for path in paths if path.count(".") <= 1][:MAX_LISTED_NAMES] or paths[:MAX_LISTED_NAMES]
        return f"{', '.join(paths)}, ... ({len(spatial)} in all)"
    return ", ".join(paths) or "none"
