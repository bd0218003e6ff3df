"""A device on the CPU without float64, like Apple's GPUs; run it as a script, since it changes PyTorch for good.

Its tensors hold a tensor of the CPU and report the device ``pretend:0``. A float64 tensor raises the error that PyTorch
raises for MPS; mixing with tensors of the CPU raises, too. The script prints a line for each computation that it tries:
its name and the largest deviation from the CPU.
"""

import copy
from typing import Any

import saliency_by_name
import torch
from networks import small
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

from convscope.insight import describe_parameters, faithfulness, filters, measure_effective_field, saliency
from convscope.insight.conv_bn_fusion import FoldedForward
from convscope.insight.sanity_check import cascading_randomisation
from convscope.tasks.image_classification import ImageClassification
from convscope.tasks.losses import CrossEntropy
from convscope.tasks.objective import Objective

REFUSAL = (
    "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. "
    "Please use float32 instead."
)
COPIES = {"_to_copy", "copy_", "_copy_from", "_copy_from_and_resize"}
INDEXING = {"index", "index_put_", "index_put", "_index_put_impl_", "_unsafe_index"}


class Backend(_DummyBackendModule):
    """The module that PyTorch requires of a device."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


_setup_privateuseone_for_python_backend("pretend", backend_module=Backend())
DEVICE = torch.device("pretend", 0)


class Pretended(torch.Tensor):
    """A tensor of that device; ``raw`` holds its values on the CPU."""

    raw: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, raw: torch.Tensor) -> "Pretended":
        if raw.dtype in (torch.float64, torch.complex128):
            raise TypeError(REFUSAL)
        tensor = torch.Tensor._make_wrapper_subclass(
            cls, raw.shape, strides=raw.stride(), dtype=raw.dtype, device=DEVICE
        )
        tensor.raw = raw
        return tensor

    def __deepcopy__(self, memo: dict) -> Any:
        copied = Pretended(self.detach().raw.clone())
        copied.requires_grad_(self.requires_grad)
        return memo.setdefault(id(self), nn.Parameter(copied) if isinstance(self, nn.Parameter) else copied)

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(operation, args, kwargs or {})


def run(operation: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run an operation on the values of the tensors, and wrap its result if it belongs to the device."""
    name = operation._schema.name.split("::")[-1]
    if torch._C._dispatch_has_kernel_for_dispatch_key(operation.name(), "CompositeImplicitAutograd"):
        result = operation.decompose(*args, **kwargs)
        if result is not NotImplemented:
            return result
    leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    on_device = [leaf for leaf in leaves if isinstance(leaf, Pretended)]
    on_cpu = [leaf for leaf in leaves if not isinstance(leaf, Pretended) and leaf.ndim > 0]
    if on_device and on_cpu and name not in COPIES | INDEXING:
        raise RuntimeError(f"Expected all tensors to be on the same device ({operation})")
    wrapped = {id(leaf.raw): leaf for leaf in on_device}

    def unwrap(value: Any) -> Any:
        if isinstance(value, torch.device) and value.type == "pretend":
            return torch.device("cpu")
        return value.raw if isinstance(value, Pretended) else value

    def wrap(value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or isinstance(value, Pretended):
            return value
        return wrapped[id(value)] if id(value) in wrapped else Pretended(value)

    result = operation(*tree_map(unwrap, args), **tree_map(unwrap, kwargs))
    if name in ("copy_", "_copy_from"):
        return args[0 if name == "copy_" else 1]
    target = kwargs.get("device")
    if target is not None and torch.device(target).type != "pretend":
        return tree_map(lambda value: value.clone() if isinstance(value, torch.Tensor) else value, result)
    return tree_map(wrap, result) if on_device or target is not None else result


library = torch.library.Library("_", "IMPL")
library.fallback(lambda operation, *args, **kwargs: run(operation, args, kwargs), "PrivateUse1")
_generator, _tensor, _as_tensor = torch.Generator, torch.tensor, torch.as_tensor
torch.Generator = lambda device="cpu": _generator()  # type: ignore[assignment,misc]


def _placed(tensor: torch.Tensor, device: Any) -> torch.Tensor:
    if tensor.dtype == torch.float64 and device is not None and torch.device(device).type == "pretend":
        raise TypeError(REFUSAL)
    return tensor if device is None else tensor.to(device)


torch.tensor = lambda data, *a, device=None, **k: _placed(_tensor(data, *a, **k), device)
torch.as_tensor = lambda data, *a, device=None, **k: _placed(_as_tensor(data, *a, **k), device)


class Text(nn.Module):
    """Tokens (N, L) to logits (N, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.conv = nn.Embedding(20, 6, padding_idx=0), nn.Conv1d(6, 8, 3)
        self.dense = nn.Linear(8, 3)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.dense(self.conv(self.embedding(tokens).transpose(1, 2)).relu().amax(dim=2))


def print_deviation(name: str, compute: Any) -> None:
    """Print how far what ``compute`` returns for the device is from what it returns for the CPU."""
    torch.manual_seed(0)
    expected = compute(torch.device("cpu"))
    torch.manual_seed(0)
    actual = compute(DEVICE)
    deviation = max(
        float((value.detach().cpu().float() - expected_value.detach().float()).abs().max())
        for value, expected_value in zip(actual, expected, strict=True)
    )
    print(f"{name} {deviation:.3g}")


def main() -> None:
    """Run every analysis of a network, and a training step with its metrics."""
    network, inputs = small()
    maps = saliency.gradient(network, inputs)
    masks = torch.zeros(4, 16, 16, dtype=torch.bool)
    masks[:, :8] = True
    text, tokens = Text(), torch.arange(16).view(2, 8) + 1

    def on(device: torch.device) -> tuple[nn.Module, torch.Tensor]:
        return copy.deepcopy(network).to(device), inputs.to(device)

    for name, method in saliency_by_name.IMAGE.items():
        print_deviation(name, lambda device, method=method: [method(*on(device), 1)])
    print_deviation("completeness", lambda device: saliency.complete_integrated_gradients(*on(device), steps=5))
    print_deviation("effective_field", lambda device: [measure_effective_field(*on(device), "conv2").gradient])
    print_deviation("patches", lambda device: [filters.strongest_patches(on(device)[0], [on(device)[1]]).activations])
    print_deviation("feature_maps", lambda device: filters.feature_maps(*on(device)).values())
    print_deviation("mass_inside", lambda device: [faithfulness.mass_inside(maps.to(device), masks)])
    print_deviation("pointing_game", lambda device: [faithfulness.pointing_game(maps.to(device), masks)])
    print_deviation("sanity_check", lambda device: [
        step.similarity
        for step in cascading_randomisation(*on(device), 1, saliency.gradient, steps=[["dense"]])
    ])  # fmt: skip
    print_deviation("deletion", lambda device: [
        curve.probabilities
        for curve in faithfulness.deletion_and_insertion(*on(device), {"a": maps.to(device)}, steps=3)["a"]
    ])  # fmt: skip

    def folded(device: torch.device) -> list[torch.Tensor]:
        module, images = on(device)
        with torch.no_grad():
            return [FoldedForward(module.eval(), images)(images)]

    print_deviation("folding", folded)
    print_deviation(
        "folding_against_none", lambda device: folded(device) if device == DEVICE else [network.eval()(inputs)]
    )
    describe_parameters(on(DEVICE)[0], (1, 3, 16, 16))
    for name, method in saliency_by_name.TEXT.items():
        print_deviation(f"token_{name}", lambda device, method=method: [
            method(copy.deepcopy(text).to(device), tokens.to(device), 1)
        ])  # fmt: skip

    def step(device: torch.device) -> list[torch.Tensor]:
        module, images = on(device)
        classes = ("a", "b", "c", "d")
        weights = torch.tensor([1.0, 2.0, 1.0, 1.0])
        task = ImageClassification(module, classes, Objective(CrossEntropy(weights, 0.1))).to(device)
        labels = torch.tensor([0, 1, 2, 3]).to(device)
        optimizer = torch.optim.AdamW(module.parameters(), lr=0.01, foreach=False)
        logits = module(images)
        loss = task.criterion(logits, labels)
        loss.backward()
        optimizer.step()
        return [loss, *module.parameters(), *task.validation_metrics(logits.detach(), labels).values()]

    print_deviation("training_step", step)


if __name__ == "__main__":
    main()
