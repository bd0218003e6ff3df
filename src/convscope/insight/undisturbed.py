"""Asking a network something, and leaving it as it was: modes, flags, gradients, hooks."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from convscope.insight.network_state import preserved


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """``model`` in evaluation mode, its parameters without gradients, autograd on; afterwards all is as before.

    Each module gets back its own mode, whatever its parent's was, and each parameter its ``requires_grad``, also
    when the body raises. What the network caches while it runs is gone again, as `convscope.insight.network_state`
    says. Within, inference mode is off, as in Lightning's evaluation loops it is not: tensors that were made under it
    have to be cloned by the body. Autocast is off: a map in bf16 is another map. A module that was compiled in place
    runs as it was written, since a compiled one answers by code that knows no other mode.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    reference = next(model.parameters(), None)
    device = "cpu" if reference is None else reference.device.type
    with preserved(model):
        as_written(model)
        try:
            with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device, enabled=False):
                for parameter in trainable:
                    parameter.requires_grad_(False)
                yield
        finally:
            with torch.inference_mode(False):
                for parameter in trainable:
                    parameter.requires_grad_(True)


def as_written(model: nn.Module) -> None:
    """Evaluation mode, without code that ``module.compile()`` made; to be called where the state is preserved."""
    for module in model.modules():
        module.training = False  # modules may override train() and eval(); their own mode is this attribute
        if is_compiled_in_place(module):
            module._compiled_call_impl = None


def is_compiled_in_place(module: nn.Module) -> bool:
    """Whether ``module.compile()`` was called."""
    return getattr(module, "_compiled_call_impl", None) is not None


def compiled_path(model: nn.Module) -> str | None:
    """Path of the first module that ``torch.compile`` or TorchScript made, "the network" for the whole; or None."""
    for path, module in model.named_modules():
        scripted = isinstance(module, torch.jit.ScriptModule)
        # By name: importing torch._dynamo for a look takes seconds.
        if is_compiled_in_place(module) or scripted or type(module).__name__ == "OptimizedModule":
            return path or "the network"
    return None
