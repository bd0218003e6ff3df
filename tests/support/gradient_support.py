"""An oracle for receptive fields that does not depend on convscope: the support of a NaN gradient.

A NaN that enters the backward pass at one unit spreads to every input place that the unit depends on, and to no
other, since a sum or a product with NaN is NaN. What would hide a dependence is replaced: a ReLU that is off, the
places that a maximum did not come from. What would spread it over all the input is cut where a network sees all of
it by design: gates made of global means, and statistics of normalisations.
"""

import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

_MEANS = {torch.mean, torch.Tensor.mean, torch.Tensor.amax, torch.amax, torch.Tensor.sum, torch.sum, torch.var,
          torch.Tensor.var, torch.std, torch.Tensor.std, torch.norm, torch.Tensor.norm, torch.var_mean}  # fmt: skip
_ADAPTIVE = {F.adaptive_avg_pool2d, F.adaptive_max_pool2d, torch._C._nn.adaptive_avg_pool2d, F.adaptive_avg_pool1d}
_NORMS = {F.group_norm, F.instance_norm, torch.group_norm, torch.instance_norm}
_OFF = {F.relu, torch.relu, torch.relu_, torch.Tensor.relu, torch.Tensor.relu_, F.relu_, F.hardswish, F.threshold,
        F.elu, F.leaky_relu}  # fmt: skip
_BOUNDED = {F.relu6, F.hardtanh, F.hardsigmoid, torch.Tensor.clamp, torch.clamp, torch.Tensor.clamp_}


class _Open(TorchFunctionMode):
    """Passes every activation, counts every place of a maximum, and takes global means and statistics as constants."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _OFF and args[0].is_floating_point():
            return args[0] * 1.0
        if func in _BOUNDED and args[0].is_floating_point():
            return torch.sigmoid(args[0])
        if func in (F.max_pool2d, torch.max_pool2d, F.max_pool1d, torch.max_pool1d):
            return _mean_instead(func in (F.max_pool1d, torch.max_pool1d), *args, **kwargs)
        if func in _ADAPTIVE and _whole(args[0], func(*args, **kwargs)):
            return func(*args, **kwargs).detach()
        if func in _MEANS and _spatial(len(args[0].shape), args[1:], kwargs):
            return _detached(func(*args, **kwargs))
        if func in _NORMS:
            return args[0] * 1.0
        return func(*args, **kwargs)


def _whole(x: torch.Tensor, out: torch.Tensor) -> bool:
    return tuple(out.shape[2:]) == (1,) * (out.ndim - 2)


def _spatial(ndim: int, rest: Any, kwargs: Any) -> bool:
    """Return whether a reduction over an image, with or without channel groups, runs over its rows and columns."""
    dim = kwargs.get("dim", next((a for a in rest if isinstance(a, int | tuple | list)), None))
    dims = {dim} if isinstance(dim, int) else set(dim or range(1, ndim))
    reduced = {d % ndim for d in dims} - {0}
    return len(reduced) > 1 if ndim == 4 else ndim == 5 and {3, 4} <= reduced


def _detached(out: Any) -> Any:
    return out.detach() if isinstance(out, torch.Tensor) else tuple(part.detach() for part in out)


def _mean_instead(
    flat: bool, x: torch.Tensor, kernel: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> torch.Tensor:  # fmt: skip
    pool = F.avg_pool1d if flat else F.avg_pool2d
    return pool(x, kernel, stride, padding, ceil_mode)


def support(
    network: nn.Module, shape: tuple[int, ...], layer: str, dimension: int = -1, unit: int | None = None
) -> tuple[int, int, int]:
    """Return the first and last input place along ``dimension`` that a unit of ``layer`` depends on, and the unit.

    Args:
        network: A network whose weights are random (see `randomised`), so that none is zero by its initialisation.
        shape: Shape of the input, long along ``dimension``.
        layer: Path of the module whose output has the unit; if it is called several times, the last output counts.
        dimension: A spatial dimension, counted from the end.
        unit: Place of the unit along ``dimension``; None: the middle.
    """
    outputs: list[torch.Tensor] = []
    hook = network.get_submodule(layer).register_forward_hook(lambda module, inputs, output: outputs.append(output))
    x = torch.randn(shape, requires_grad=True)
    try:
        # oneDNN's algorithms (Winograd) spread a NaN over a tile.
        with warnings.catch_warnings(action="ignore"), torch.backends.mkldnn.flags(enabled=False), _Open():
            network.eval()(x)
            output = outputs[-1]
            place = [slice(None)] * output.ndim
            for at in range(output.ndim - len(shape) + 2, output.ndim):
                place[at] = output.shape[at] // 2
            along = output.ndim + dimension
            unit = output.shape[along] // 2 if unit is None else unit
            place[along] = unit
            seed = torch.zeros_like(output)
            seed[tuple(place)] = float("nan")
            (gradient,) = torch.autograd.grad(output, x, seed)
    finally:
        hook.remove()
    others = [d for d in range(x.ndim) if d != x.ndim + dimension]
    touched = torch.nonzero(gradient.isnan().any(dim=others)) if len(others) == 1 else torch.nonzero(
        gradient.isnan().permute(x.ndim + dimension, *others).flatten(1).any(1)
    )  # fmt: skip
    return int(touched.min()), int(touched.max()), unit


def randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """Draw every parameter anew, so that zero-initialised ones take part and nothing overflows; return the network."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            uniform = torch.rand(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                parameter.copy_((uniform - 0.5) * (12 / parameter[0].numel()) ** 0.5)
            else:
                parameter.copy_(uniform * 0.5 + 0.25)
    return network
