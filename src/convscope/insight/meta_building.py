"""Building a network on the meta device: only shapes, no memory for weights, no random numbers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

SMALL = 1 << 12  # elements; smaller tensors get values, since constructors read some (rates of stochastic depth)

_ALWAYS = {torch.empty, torch.empty_strided}  # on the meta device at any size
_LARGE = {torch.zeros, torch.ones, torch.full, torch.randn, torch.rand}  # on it above SMALL elements
_FILLS = {
    getattr(torch.Tensor, name)
    for name in ("normal_", "uniform_", "fill_", "zero_", "trunc_normal_", "erfinv_", "bernoulli_", "mul_", "add_",
                 "clamp_", "copy_", "div_", "exponential_", "clamp_min_", "clamp_max_")
    if hasattr(torch.Tensor, name)
}  # fmt: skip


class _Weightless(TorchFunctionMode):
    """Moves new tensors to the meta device and skips the operations that would fill them."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _FILLS and args[0].device.type == "meta":
            return args[0]
        if "device" not in kwargs or kwargs["device"] is None:
            if func in _ALWAYS:
                kwargs = {**kwargs, "device": "meta"}
            elif func in _LARGE:
                twin = func(*args, **{**kwargs, "device": "meta"})
                if twin.numel() > SMALL:
                    return twin
        return func(*args, **kwargs)


@contextmanager
def weightless() -> Iterator[None]:
    """Put the parameters of networks that are built in the body on the meta device: shapes without content.

    Unlike under ``torch.device("meta")``, small constants keep their values, since constructors read them.
    """
    with _Weightless():
        yield
