"""A pretended GPU for machines that have none: tensors on the CPU that report the device ``pretend:0``.

An operation on tensors of the CPU and of the device raises, as in CUDA. Operations that would make the host wait for
the device are counted. Importing this changes PyTorch for the rest of the process (PyTorch has room for one custom
device): import it in a process of its in_package.
"""

import traceback
from collections import Counter
from typing import Any

import torch
from pytorch_lightning.accelerators import Accelerator
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

DEVICE = "pretend"
waits: Counter[str] = Counter()  # by operation and the line of the program that called it
_random = torch.Generator()  # of the device

WAITING = {
    "_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "bincount", "equal", "is_nonzero",
}  # fmt: skip
COPYING = {"_to_copy", "copy_", "_copy_from", "_copy_from_and_resize"}
INDEXING = {"index", "index_put_", "index_put", "_index_put_impl_", "_unsafe_index"}  # may have indices on the CPU
DRAWING = {
    "native_dropout", "bernoulli_", "bernoulli", "uniform_", "normal_", "random_", "rand", "randn", "rand_like",
    "randn_like", "randint", "randperm", "exponential_",
}  # fmt: skip


class _Backend(_DummyBackendModule):
    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]

    def get_rng_state(self, device: Any = None) -> torch.Tensor:
        return _random.get_state()

    def set_rng_state(self, state: torch.Tensor, device: Any = None) -> None:
        _random.set_state(state)

    def manual_seed(self, seed: int) -> None:
        _random.manual_seed(seed)

    manual_seed_all = manual_seed

    def synchronize(self, device: Any = None) -> None:
        pass


class OnDevice(torch.Tensor):
    """A tensor of the device; ``raw`` holds its values on the CPU."""

    @staticmethod
    def __new__(cls, raw: torch.Tensor) -> "OnDevice":
        return torch.Tensor._make_wrapper_subclass(
            cls, raw.shape, strides=raw.stride(), dtype=raw.dtype, device=torch.device(DEVICE, 0)
        )

    def __init__(self, raw: torch.Tensor) -> None:
        self.raw = raw

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(operation, args, kwargs or {})

    def __reduce_ex__(self, protocol: int) -> Any:
        return self.detach().raw.__reduce_ex__(protocol)

    def __deepcopy__(self, memo: dict[int, Any]) -> "OnDevice":
        if id(self) not in memo:
            copied = OnDevice(self.detach().raw.clone()).requires_grad_(self.requires_grad)
            if getattr(self, "_is_param", False):
                copied._is_param = True
            memo[id(self)] = copied
        return memo[id(self)]

    def numpy(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("can't convert a tensor of the device to numpy")

    __array__ = numpy


def _run(operation: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = operation._schema.name.split("::")[-1]
    composite = torch._C._dispatch_has_kernel_for_dispatch_key(operation.name(), "CompositeImplicitAutograd")
    if composite and name != "equal":
        result = operation.decompose(*args, **kwargs)
        if result is not NotImplemented:
            return result
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    on_device = [tensor for tensor in tensors if isinstance(tensor, OnDevice)]
    if on_device and name not in COPYING | INDEXING:
        mixed = any(tensor.ndim > 0 for tensor in tensors if not isinstance(tensor, OnDevice))
        assert not mixed, f"{operation}: tensors of the CPU and of the device at {_where()}"
    target = kwargs.get("device")
    target = None if target is None else torch.device(target).type
    into = args[0 if name == "copy_" else 1] if name in ("copy_", "_copy_from") else None
    to_host = (name == "_to_copy" and target == "cpu") or (into is not None and not isinstance(into, OnDevice))
    if on_device and (name in WAITING or to_host):
        waits[f"{'copy to host' if to_host else name} at {_where()}"] += 1
    wrapped: dict[int, OnDevice] = {}
    result = _on_cpu(name in DRAWING, operation, tree_map(lambda value: _unwrapped(value, wrapped), (args, kwargs)))
    if to_host and on_device:
        if into is not None:
            return into
        return result.clone() if any(result is tensor.raw for tensor in on_device) else result
    if target not in (None, DEVICE) or not (on_device or target):
        return result
    return tree_map(lambda value: _wrapped(value, wrapped), result)


def _on_cpu(draws: bool, operation: Any, arguments: Any) -> Any:
    args, kwargs = arguments
    if kwargs.get("pin_memory"):
        kwargs["pin_memory"] = False
    if not draws:
        return operation(*args, **kwargs)
    state = torch.get_rng_state()
    torch.set_rng_state(_random.get_state())
    try:
        return operation(*args, **kwargs)
    finally:
        _random.set_state(torch.get_rng_state())
        torch.set_rng_state(state)


def _unwrapped(value: Any, wrapped: dict[int, OnDevice]) -> Any:
    if isinstance(value, OnDevice):
        wrapped[id(value.raw)] = value
        return value.raw
    return torch.device("cpu") if isinstance(value, torch.device) and value.type == DEVICE else value


def _wrapped(value: Any, wrapped: dict[int, OnDevice]) -> Any:
    if not isinstance(value, torch.Tensor) or isinstance(value, OnDevice):
        return value
    return wrapped[id(value)] if id(value) in wrapped else OnDevice(value)


def _where() -> str:
    frames = [frame for frame in traceback.extract_stack() if "/torch/" not in frame.filename]
    frames = [frame for frame in frames if not frame.filename.endswith("pretend_device.py")]
    in_package = [frame for frame in frames if "/src/convscope/" in frame.filename]
    frame = (in_package or frames)[-1]
    return f"{frame.filename.rpartition('/src/')[-1]}:{frame.lineno}"


class PretendAccelerator(Accelerator):
    """The methods that Lightning requires of an accelerator."""

    def setup_device(self, device: torch.device) -> None:
        pass

    def teardown(self) -> None:
        pass

    def get_device_stats(self, device: Any) -> dict[str, Any]:
        return {}

    @staticmethod
    def parse_devices(devices: Any) -> list[int]:
        return [0]

    @staticmethod
    def get_parallel_devices(devices: Any) -> list[torch.device]:
        return [torch.device(DEVICE, 0)]

    @staticmethod
    def auto_device_count() -> int:
        return 1

    @staticmethod
    def is_available() -> bool:
        return True

    @staticmethod
    def name() -> str:
        return DEVICE


def trainer_arguments() -> dict[str, Any]:
    """Return arguments of Lightning's Trainer for training on the device."""
    strategy = SingleDeviceStrategy(torch.device(DEVICE, 0), accelerator=PretendAccelerator())
    return {"strategy": strategy}


def _made_on_cpu_first(make: Any, shares_memory: bool) -> Any:
    def make_and_move(data: Any, *args: Any, device: Any = None, **kwargs: Any) -> torch.Tensor:
        is_kept = shares_memory and isinstance(data, torch.Tensor) and not args and not kwargs
        result = data if is_kept else make(data, *args, **kwargs)
        return result if device is None else result.to(device)

    return make_and_move


class _Generator(torch.Generator):
    """A generator whose device is the CPU if the pretended device is requested."""

    def __new__(cls, device: Any = "cpu") -> "_Generator":
        return super().__new__(cls, "cpu" if torch.device(device).type == DEVICE else device)


_setup_privateuseone_for_python_backend(DEVICE, backend_module=_Backend())
_library = torch.library.Library("_", "IMPL")
_library.fallback(lambda operation, *args, **kwargs: _run(operation, args, dict(kwargs)), "PrivateUse1")
torch.tensor = _made_on_cpu_first(torch.tensor, False)
torch.as_tensor = _made_on_cpu_first(torch.as_tensor, True)
torch.Generator = _Generator  # type: ignore[misc]
