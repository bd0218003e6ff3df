"""A snapshot of everything besides the weights that running a network can change, to restore it afterwards.

A ``forward`` may cache a table in an attribute, count in a buffer, append to a list, make a layer, or keep a mask in a
closure, a global or an ``lru_cache``. A pass that only analyses the network must leave none of that behind: tensors
that it made may be on the meta device, or belong to a graph that is gone, and training cannot use them.
"""

import functools
import sys
import threading
from collections import UserDict, UserList, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import torch
from torch import nn

from convscope.errors import UserError
from convscope.insight.code_names import names_in

# Objects of these packages hold nothing that a forward pass changes for a network, or too much to search.
LIBRARIES = sys.stdlib_module_names | {"torch", "numpy", "pytorch_lightning", "lightning", "lightning_fabric"}
IMMUTABLE_TYPES = {int, float, str, bool, bytes, complex, type(None), torch.dtype, torch.device, torch.Size}
# Except for these types, which are containers.
LIBRARY_CONTAINERS = (SimpleNamespace, UserDict, UserList, WeakKeyDictionary, WeakValueDictionary, threading.local)
LRU_CACHE = type(functools.lru_cache(lambda: None))
MISSING = object()


@contextmanager
def preserved(network: nn.Module) -> Iterator[None]:
    """Run the body, then restore everything that it changed about ``network``, except the values of parameters.

    This restores attributes, modes, hooks and buffers; lists, dictionaries, sets and objects that the network refers
    to; closures, defaults, globals and class attributes that its code refers to; and the state of PyTorch's random
    number generators. Caches of ``functools.lru_cache`` that the body filled are emptied. Within the body, a tensor
    that was cached in inference mode is replaced by a copy that autograd can use.

    Raises:
        UserError: The network has lazy parameters, which get their shape in its first pass.
    """
    for path, parameter in network.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise UserError(f"{path}: is a lazy parameter without a shape; run the network once on a batch first")
    modes = [(module, module.training) for module in network.modules()]
    with torch.inference_mode(False), torch.no_grad():
        state = NetworkState(network)
    with rng_state_preserved(network):
        try:
            yield
        finally:
            with torch.inference_mode(False), torch.no_grad():
                state.restore()
            for module, training in modes:
                module.training = training


@contextmanager
def rng_state_preserved(network: nn.Module) -> Iterator[None]:
    """Restore PyTorch's random number generators after the body, on the CPU and on the device of ``network``."""
    generators = list(_generators(network))
    try:
        yield
    finally:
        for restore, value in generators:
            restore(value)


def _generators(network: nn.Module) -> Iterator[tuple[Callable[[torch.Tensor], None], torch.Tensor]]:
    """Yield a setter and the current state of each random number generator that a forward pass may draw from."""
    yield torch.set_rng_state, torch.get_rng_state()
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    if device.type == "cuda":
        yield functools.partial(torch.cuda.set_rng_state, device=device), torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        yield torch.mps.set_rng_state, torch.mps.get_rng_state()


class NetworkState:
    """Takes a snapshot of a network, and of every object that it refers to, when it is constructed."""

    def __init__(self, network: nn.Module) -> None:
        self._visited: dict[int, Any] = {}  # by id; the references keep the ids from being reused
        self._mappings: list[tuple[dict[Any, Any], dict[Any, Any]]] = []
        self._empty: list[Any] = []  # containers; most of a module's dictionaries are, and copying them all is slow
        self._restorers: list[Callable[[], None]] = []
        self._autograd_copies: dict[int, torch.Tensor] = {}
        pending: list[Any] = [network]
        while pending:
            value = pending.pop()
            if type(value) not in IMMUTABLE_TYPES and id(value) not in self._visited:
                self._visited[id(value)] = value
                pending += self._snapshot(value)

    def restore(self) -> None:
        """Restore everything to the moment of the snapshot."""
        for live, kept in self._mappings:
            if len(live) != len(kept) or any(a is not b for a, b in zip(live.values(), kept.values(), strict=True)):
                live.clear()
                live.update(kept)
        for live in self._empty:
            if live:
                live.clear()
        for undo in self._restorers:
            undo()

    def _snapshot(self, value: Any) -> Iterable[Any]:
        """Record how to restore ``value``, and return the objects that it refers to."""
        if isinstance(value, torch.Tensor):
            self._snapshot_tensor(value)
            return ()
        if isinstance(value, dict | list | deque | set) and not value:
            self._empty.append(value)
            return ()
        if isinstance(value, dict):
            return self._snapshot_mapping(value)
        if isinstance(value, list | deque):
            return self._snapshot_sequence(value)
        if isinstance(value, set):
            return self._snapshot_set(value)
        if isinstance(value, tuple | frozenset):
            return value
        if isinstance(value, nn.Module):
            return () if isinstance(value, torch.jit.ScriptModule) else (type(value), vars(value))
        if isinstance(value, LRU_CACHE):
            misses = value.cache_info().misses
            self._restorers.append(lambda: None if value.cache_info().misses == misses else value.cache_clear())
            return (value.__wrapped__,)
        if isinstance(value, FunctionType):
            return self._snapshot_function(value)
        if isinstance(value, MethodType):
            return value.__func__, value.__self__
        if isinstance(value, functools.partial):
            return value.func, value.args, value.keywords
        if isinstance(value, staticmethod | classmethod):
            return (value.__func__,)
        if isinstance(value, property):
            return value.fget, value.fset
        if isinstance(value, type):
            return self._snapshot_class(value)
        return self._snapshot_object(value)

    def _snapshot_mapping(self, live: dict[Any, Any]) -> Iterable[Any]:
        """Record the entries of a dictionary, and return its values."""
        kept = dict(live)
        self._mappings.append((live, kept))
        for key, value in kept.items():
            if _is_inference_tensor(value):
                live[key] = self._autograd_copy(value)
        return kept.values()

    def _snapshot_sequence(self, live: Any) -> Iterable[Any]:
        """Record the items of a list or deque, and return them."""
        kept = list(live)

        def restore_value() -> None:
            if len(live) != len(kept) or any(a is not b for a, b in zip(live, kept, strict=True)):
                live.clear()
                live.extend(kept)

        self._restorers.append(restore_value)
        for index, value in enumerate(kept):
            if _is_inference_tensor(value):
                live[index] = self._autograd_copy(value)
        return kept

    def _snapshot_set(self, live: set[Any]) -> Iterable[Any]:
        """Record the elements of a set, and return them."""
        kept = set(live)

        def restore_value() -> None:
            live.clear()
            live.update(kept)

        self._restorers.append(restore_value)
        return kept

    def _autograd_copy(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return one and the same normal copy for each inference tensor."""
        return self._autograd_copies.setdefault(id(tensor), tensor.clone())

    def _snapshot_tensor(self, tensor: torch.Tensor) -> None:
        """Record the values of a tensor that is no parameter."""
        if isinstance(tensor, nn.Parameter) or tensor.is_inference() or tensor.device.type == "meta":
            return
        kept, version = tensor.detach().clone(), tensor._version

        def restore_value() -> None:
            # Changes through `.data` do not raise the version; comparing values on a GPU would make the host wait.
            if tensor._version != version or (tensor.device.type == "cpu" and not torch.equal(tensor, kept)):
                tensor.copy_(kept)

        self._restorers.append(restore_value)

    def _snapshot_function(self, function: FunctionType) -> Iterable[Any]:
        """Record a function's closure and the globals that its code names; yield what it refers to."""
        if _is_of_library(function.__module__):
            return
        yield from (function.__defaults__, function.__kwdefaults__, vars(function))
        for cell in function.__closure__ or ():
            yield self._snapshot_attribute(cell, "cell_contents")
        names = names_in(function.__code__)
        for name in names.globals:
            value = self._snapshot_global(function.__globals__, name)
            if isinstance(value, ModuleType) and not _is_of_library(value.__name__):
                yield from (self._snapshot_global(vars(value), attribute) for attribute in names.attributes)
            else:
                yield value

    def _snapshot_global(self, bound: dict[str, Any], name: str) -> Any:
        """Record and return what ``name`` is bound to in the module whose variables are ``bound``; None if unbound."""
        kept = bound.get(name, MISSING)

        def restore_value() -> None:
            if bound.get(name, MISSING) is not kept:
                bound.pop(name, None)
                if kept is not MISSING:
                    bound[name] = kept

        self._restorers.append(restore_value)
        return None if kept is MISSING else kept

    def _snapshot_class(self, kind: type) -> Iterable[Any]:
        """Record the attributes of a class; yield them and its bases."""
        if _is_of_library(kind.__module__):
            return
        yield from kind.__bases__
        kept = dict(vars(kind))

        def restore_value() -> None:
            for name in [name for name in vars(kind) if name not in kept]:
                delattr(kind, name)
            for name, value in kept.items():
                if vars(kind).get(name, MISSING) is not value:
                    setattr(kind, name, value)

        self._restorers.append(restore_value)
        yield from kept.values()

    def _snapshot_object(self, value: Any) -> Iterable[Any]:
        """Record the slots of any other object; yield its class and what it refers to."""
        kind = type(value)
        if _is_of_library(kind.__module__):
            if isinstance(value, LIBRARY_CONTAINERS):
                yield vars(value)
            return
        yield kind
        with suppress(AttributeError):  # getattr would call a __getattr__, which may raise anything
            yield object.__getattribute__(value, "__dict__")
        for owner in kind.__mro__:
            slots = vars(owner).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if name not in ("__dict__", "__weakref__"):
                    yield self._snapshot_attribute(value, name)

    def _snapshot_attribute(self, holder: Any, name: str) -> Any:
        """Record the value of ``holder.name``, or that it is unset as in an empty cell or slot; return it, or None."""

        def current() -> Any:
            try:
                return getattr(holder, name)
            except Exception:  # ValueError of a cell, AttributeError of a slot, and whatever a __getattr__ raises
                return MISSING

        kept = current()

        def restore_value() -> None:
            if current() is not kept:
                if kept is MISSING:
                    delattr(holder, name)
                else:
                    setattr(holder, name, kept)

        self._restorers.append(restore_value)
        return None if kept is MISSING else kept


def _is_inference_tensor(value: Any) -> bool:
    """Return whether ``value`` was made in inference mode and is no parameter."""
    return isinstance(value, torch.Tensor) and value.is_inference() and not isinstance(value, nn.Parameter)


def _is_of_library(module: str | None) -> bool:
    """Return whether ``module`` belongs to one of LIBRARIES, or is unknown."""
    return module is None or module.partition(".")[0] in LIBRARIES
