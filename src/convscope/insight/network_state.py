"""What running a network can change beside its weights: kept before, and put back afterwards.

A ``forward`` may cache a table in an attribute, count in a buffer, append to a list, make a layer, or keep a mask in a
closure, a global or an ``lru_cache``. A pass that only looks at the network must leave none of that behind: tensors
that were made for the look may be on the meta device or of a graph that is gone, and a training cannot use them.
"""

import functools
import sys
import threading
from collections import UserDict, UserList, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import torch
from torch import nn

from convscope.errors import UserError

# Whose objects keep nothing that a forward pass could change for a network, or too much to go through.
LIBRARIES = sys.stdlib_module_names | {"torch", "numpy", "pytorch_lightning", "lightning", "lightning_fabric"}
ATOMS = {int, float, str, bool, bytes, complex, type(None), torch.dtype, torch.device, torch.Size}
HOLDERS = (SimpleNamespace, UserDict, UserList, WeakKeyDictionary, WeakValueDictionary, threading.local)  # of libraries
LRU_CACHE = type(functools.lru_cache(lambda: None))
NOTHING = object()


@contextmanager
def preserved(network: nn.Module) -> Iterator[None]:
    """Run the body, then put back all that it changed about ``network`` but the values of parameters.

    Put back are attributes, modes, hooks, buffers and lists, dictionaries, sets and objects that the network reaches,
    closures, defaults, globals and class attributes that its code names, and the state of PyTorch's random numbers.
    Caches of ``functools.lru_cache`` that the body filled are emptied. Within the body, a tensor that was cached in
    inference mode is replaced by a copy that autograd can use.

    Raises:
        UserError: The network has parameters that get their shape in its first pass.
    """
    for path, parameter in network.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise UserError(f"{path}: has no shape yet; run the network once on a batch before it is looked at")
    modes = [(module, module.training) for module in network.modules()]
    with torch.inference_mode(False), torch.no_grad():
        state = NetworkState(network)
    with generators_kept(network):
        try:
            yield
        finally:
            with torch.inference_mode(False), torch.no_grad():
                state.restore()
            for module, training in modes:
                module.training = training


@contextmanager
def generators_kept(network: nn.Module) -> Iterator[None]:
    """After the body, PyTorch's random numbers go on as before it, on the CPU and on the device of ``network``."""
    generators = list(_generators(network))
    try:
        yield
    finally:
        for restore, value in generators:
            restore(value)


def _generators(network: nn.Module) -> Iterator[tuple[Callable[[torch.Tensor], None], torch.Tensor]]:
    """For each generator of random numbers that a pass may draw from: what sets its state, and the state."""
    yield torch.set_rng_state, torch.get_rng_state()
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    if device.type == "cuda":
        yield functools.partial(torch.cuda.set_rng_state, device=device), torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        yield torch.mps.set_rng_state, torch.mps.get_rng_state()


class NetworkState:
    """The state of a network and of all that it reaches, at the moment when this object is made."""

    def __init__(self, network: nn.Module) -> None:
        self._met: dict[int, Any] = {}  # by identity, and kept, so that no other object gets the identity of one
        self._mappings: list[tuple[dict[Any, Any], dict[Any, Any]]] = []
        self._empty: list[Any] = []  # most of a module's dictionaries are, and copies of them would cost the most
        self._undo: list[Callable[[], None]] = []
        self._usable: dict[int, torch.Tensor] = {}
        waiting: list[Any] = [network]
        while waiting:
            value = waiting.pop()
            if type(value) not in ATOMS and id(value) not in self._met:
                self._met[id(value)] = value
                waiting += self._keep(value)

    def restore(self) -> None:
        """Put everything back."""
        for live, kept in self._mappings:
            if len(live) != len(kept) or any(a is not b for a, b in zip(live.values(), kept.values(), strict=True)):
                live.clear()
                live.update(kept)
        for live in self._empty:
            if live:
                live.clear()
        for undo in self._undo:
            undo()

    def _keep(self, value: Any) -> Iterable[Any]:
        """Note how to put ``value`` back; gives what it reaches."""
        if isinstance(value, torch.Tensor):
            self._keep_tensor(value)
            return ()
        if isinstance(value, dict | list | deque | set) and not value:
            self._empty.append(value)
            return ()
        if isinstance(value, dict):
            return self._keep_mapping(value)
        if isinstance(value, list | deque):
            return self._keep_sequence(value)
        if isinstance(value, set):
            return self._keep_set(value)
        if isinstance(value, tuple | frozenset):
            return value
        if isinstance(value, nn.Module):
            return () if isinstance(value, torch.jit.ScriptModule) else (type(value), vars(value))
        if isinstance(value, LRU_CACHE):
            misses = value.cache_info().misses
            self._undo.append(lambda: None if value.cache_info().misses == misses else value.cache_clear())
            return (value.__wrapped__,)
        if isinstance(value, FunctionType):
            return self._keep_function(value)
        if isinstance(value, MethodType):
            return value.__func__, value.__self__
        if isinstance(value, functools.partial):
            return value.func, value.args, value.keywords
        if isinstance(value, staticmethod | classmethod):
            return (value.__func__,)
        if isinstance(value, property):
            return value.fget, value.fset
        if isinstance(value, type):
            return self._keep_class(value)
        return self._keep_object(value)

    def _keep_mapping(self, live: dict[Any, Any]) -> Iterable[Any]:
        kept = dict(live)
        self._mappings.append((live, kept))
        for key, value in kept.items():
            if _of_inference(value):
                live[key] = self._usable_copy(value)
        return kept.values()

    def _keep_sequence(self, live: Any) -> Iterable[Any]:
        kept = list(live)

        def put_back() -> None:
            if len(live) != len(kept) or any(a is not b for a, b in zip(live, kept, strict=True)):
                live.clear()
                live.extend(kept)

        self._undo.append(put_back)
        for place, value in enumerate(kept):
            if _of_inference(value):
                live[place] = self._usable_copy(value)
        return kept

    def _keep_set(self, live: set[Any]) -> Iterable[Any]:
        kept = set(live)

        def put_back() -> None:
            live.clear()
            live.update(kept)

        self._undo.append(put_back)
        return kept

    def _usable_copy(self, tensor: torch.Tensor) -> torch.Tensor:
        return self._usable.setdefault(id(tensor), tensor.clone())

    def _keep_tensor(self, tensor: torch.Tensor) -> None:
        if isinstance(tensor, nn.Parameter) or tensor.is_inference() or tensor.device.type == "meta":
            return
        kept, version = tensor.detach().clone(), tensor._version

        def put_back() -> None:
            # What is changed through `.data` has no version; to compare it on a GPU would make the host wait.
            if tensor._version != version or (tensor.device.type == "cpu" and not torch.equal(tensor, kept)):
                tensor.copy_(kept)

        self._undo.append(put_back)

    def _keep_function(self, function: FunctionType) -> Iterable[Any]:
        if _is_of_library(function.__module__):
            return
        yield from (function.__defaults__, function.__kwdefaults__, vars(function))
        for cell in function.__closure__ or ():
            yield self._keep_attribute(cell, "cell_contents")
        names = _names(function.__code__)
        for name in names:
            value = self._keep_name(function.__globals__, name)
            if isinstance(value, ModuleType) and not _is_of_library(value.__name__):
                yield from (self._keep_name(vars(value), attribute) for attribute in names)
            else:
                yield value

    def _keep_name(self, bound: dict[str, Any], name: str) -> Any:
        """Note what ``name`` is bound to in a module; gives it."""
        kept = bound.get(name, NOTHING)

        def put_back() -> None:
            if bound.get(name, NOTHING) is not kept:
                bound.pop(name, None)
                if kept is not NOTHING:
                    bound[name] = kept

        self._undo.append(put_back)
        return None if kept is NOTHING else kept

    def _keep_class(self, kind: type) -> Iterable[Any]:
        if _is_of_library(kind.__module__):
            return
        yield from kind.__bases__
        kept = dict(vars(kind))

        def put_back() -> None:
            for name in [name for name in vars(kind) if name not in kept]:
                delattr(kind, name)
            for name, value in kept.items():
                if vars(kind).get(name, NOTHING) is not value:
                    setattr(kind, name, value)

        self._undo.append(put_back)
        yield from kept.values()

    def _keep_object(self, value: Any) -> Iterable[Any]:
        kind = type(value)
        if _is_of_library(kind.__module__):
            if isinstance(value, HOLDERS):
                yield vars(value)
            return
        yield kind
        if isinstance(attributes := getattr(value, "__dict__", None), dict):
            yield attributes
        for owner in kind.__mro__:
            slots = vars(owner).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if name not in ("__dict__", "__weakref__"):
                    yield self._keep_attribute(value, name)

    def _keep_attribute(self, holder: Any, name: str) -> Any:
        """Note what ``holder.name`` is, or that it is not set, as an empty cell or a slot is; gives its value."""

        def current() -> Any:
            try:
                return getattr(holder, name)
            except (ValueError, AttributeError):
                return NOTHING

        kept = current()

        def put_back() -> None:
            if current() is not kept:
                if kept is NOTHING:
                    delattr(holder, name)
                else:
                    setattr(holder, name, kept)

        self._undo.append(put_back)
        return None if kept is NOTHING else kept


def _of_inference(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_inference() and not isinstance(value, nn.Parameter)


def _is_of_library(module: str | None) -> bool:
    return module is None or module.partition(".")[0] in LIBRARIES


@functools.cache
def _names(code: Any) -> tuple[str, ...]:
    """Names that a function and those inside of it look up outside of themselves."""
    inside = [name for constant in code.co_consts if hasattr(constant, "co_names") for name in _names(constant)]
    return tuple(dict.fromkeys([*code.co_names, *inside]))
