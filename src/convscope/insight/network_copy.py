"""Deep copies of a network, whatever it keeps in its attributes."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

N = TypeVar("N", bound=nn.Module)


class _DetachedLeaves(TorchFunctionMode):
    """Makes ``deepcopy`` copy non-leaf tensors, which it would refuse, without their autograd graph."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is torch.Tensor.__deepcopy__ and not args[0].is_leaf:
            tensor, memo = args
            return memo.setdefault(id(tensor), tensor.detach().clone())
        return func(*args, **(kwargs or {}))


def copy_network(network: N) -> N:
    """Return a deep copy of ``network`` with its current weights; none of its tensors is an inference tensor.

    A tensor that a forward pass left in an attribute is copied without its autograd graph. Objects that cannot be
    copied, such as a lock or an open file, are shared.
    """
    with torch.inference_mode(False), _DetachedLeaves():
        try:
            return copy.deepcopy(network)
        except (TypeError, RuntimeError):
            return copy.deepcopy(network, {id(value): value for value in _uncopyable(network)})


def _uncopyable(network: nn.Module) -> Iterator[Any]:
    """Yield the attributes of all submodules that ``deepcopy`` refuses."""
    for module in network.modules():
        for name, value in vars(module).items():
            if name not in ("_modules", "_parameters", "_buffers"):
                try:
                    copy.deepcopy(value)
                except (TypeError, RuntimeError):
                    yield value
