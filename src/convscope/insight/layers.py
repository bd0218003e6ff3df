"""The layers of a network by what they put out, and reading or replacing an output on its way."""

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch
from torch import nn

from convscope.errors import UserError
from convscope.insight.undisturbed import undisturbed

MOST_NAMES = 40  # in a message

# For each network and size of input: the shapes (C, H, W) of its feature maps.
_found: WeakKeyDictionary[nn.Module, dict[tuple[int, ...], dict[str, tuple[int, ...]]]] = WeakKeyDictionary()


def spatial_layers(model: nn.Module, inputs: torch.Tensor) -> dict[str, tuple[int, ...]]:
    """Paths of the modules that put out a feature map, with its shape (C, H, W), in the order in which they end.

    A feature map is a tensor (N, C, H, W) with more than one place. The whole network is not among them. One picture
    of ``inputs`` is run through the network, once for each size of input.
    """
    known = _found.setdefault(model, {})
    size = tuple(inputs.shape[1:])
    if size not in known:
        known[size] = _see_spatial_layers(model, inputs[:1])
    return known[size]


def _see_spatial_layers(model: nn.Module, example: torch.Tensor) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}

    def see(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, arguments: object, output: object) -> None:
            shapes.pop(path, None)
            if isinstance(output, torch.Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
                shapes[path] = tuple(output.shape[1:])

        return hook

    with undisturbed(model), torch.no_grad():
        handles = [module.register_forward_hook(see(path)) for path, module in model.named_modules() if path]
        try:
            model(example.detach().clone(memory_format=torch.contiguous_format))
        finally:
            for handle in handles:
                handle.remove()
    return shapes


def find_spatial_layer(model: nn.Module, inputs: torch.Tensor, layer: str | nn.Module | None) -> tuple[str, nn.Module]:
    """Path and module of ``layer`` (its path, or itself), or of the last one with a feature map.

    Raises:
        UserError: It does not exist, or puts out no feature map; those that do are listed.
    """
    spatial = spatial_layers(model, inputs)
    if layer is None:
        if not spatial:
            raise UserError("the network has no layer that puts out a feature map (N, C, H, W) of more than one place")
        path = list(spatial)[-1]
        return path, model.get_submodule(path)
    modules = dict(model.named_modules())
    path = layer if isinstance(layer, str) else next((p for p, m in modules.items() if m is layer), "")
    if path not in modules or path == "":
        named = path or (type(layer).__name__ if isinstance(layer, nn.Module) else "''")
        near = difflib.get_close_matches(named, spatial, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UserError(f"layer={named}: the network has no such layer{hint}; with a feature map: {_listed(spatial)}")
    if path not in spatial:
        raise UserError(f"layer={path}: puts out no feature map; these layers do: {_listed(spatial)}")
    return path, modules[path]


def layers_along_depth(model: nn.Module, inputs: torch.Tensor, most: int) -> list[str]:
    """At most ``most`` paths of layers with a feature map, from the input up.

    The last of each resolution; in a network of fewer than three, layers that contain no other, evenly spaced.
    """
    spatial = spatial_layers(model, inputs)
    by_resolution = {shape[1:]: path for path, shape in spatial.items()}  # the last one stays
    paths = sorted(by_resolution.values(), key=list(spatial).index)
    if len(paths) < 3:
        paths = [path for path in spatial if not any(other.startswith(f"{path}.") for other in spatial)]
    count = min(most, len(paths))
    # the last one is always among them
    return [paths[len(paths) * number // count - 1] for number in range(1, count + 1)]


def _listed(spatial: dict[str, tuple[int, ...]]) -> str:
    # A container and the last layer in it put out the same: of equal shapes in a row, the outermost names will do.
    paths = list(spatial)
    if len(paths) > MOST_NAMES:
        paths = [path for path in paths if path.count(".") <= 1][:MOST_NAMES] or paths[:MOST_NAMES]
        return f"{', '.join(paths)}, ... ({len(spatial)} in all)"
    return ", ".join(paths) or "none"


class LayerOutput:
    """What a layer put out in the last pass: ``tensor``, a leaf of autograd's graph."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._tensor: torch.Tensor | None = None

    @property
    def tensor(self) -> torch.Tensor:
        """(N, C, H, W).

        Raises:
            UserError: The layer was not called, or put out something else.
        """
        if self._tensor is None:
            raise UserError(f"layer={self._path}: the network did not call it")
        return self._tensor

    def take(self, module: nn.Module, arguments: object, output: object) -> torch.Tensor:
        """A forward hook that cuts the graph here: what comes before needs no derivative, and records nothing."""
        if not isinstance(output, torch.Tensor) or output.ndim != 4:
            raise UserError(f"layer={self._path}: puts out no feature map (N, C, H, W)")
        self._tensor = output.detach().requires_grad_(torch.is_grad_enabled())
        return self._tensor.clone()  # the network may overwrite what it gets, as an in-place ReLU does


@contextmanager
def output_of(module: nn.Module, path: str) -> Iterator[LayerOutput]:
    """The output of ``module`` in the passes of the body; the hook comes off at its end."""
    output = LayerOutput(path)
    handle = module.register_forward_hook(output.take)
    try:
        yield output
    finally:
        handle.remove()


def may_fold(module: nn.Module) -> bool:
    """Whether ``module`` puts out what it says while BatchNorms are folded: a convolution may not."""
    return not isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d)
