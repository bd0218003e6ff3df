"""Building a network without its weights: shapes on the meta device, no memory, no random numbers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

SMALL = 1 << 12  # elements; what is smaller is built, since constructors ask for values (rates of stochastic depth)

_ALWAYS = {torch.empty, torch.empty_strided}
_LARGE = {torch.zeros, torch.ones, torch.full, torch.randn, torch.rand}
_FILLS = {
    getattr(torch.Tensor, name)
    for name in ("normal_", "uniform_", "fill_", "zero_", "trunc_normal_", "erfinv_", "bernoulli_", "mul_", "add_",
                 "clamp_", "copy_", "div_", "exponential_", "clamp_min_", "clamp_max_")
    if hasattr(torch.Tensor, name)
}  # fmt: skip


class _Weightless(TorchFunctionMode):
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
    """Networks that are built inside have parameters on the meta device: shapes without content.

    Unlike under ``torch.device("meta")``, small constants have their values, since constructors ask for them.
    """
    with _Weightless():
        yield
