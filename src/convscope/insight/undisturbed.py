"""Running a network for analysis and leaving it as it was: modes, flags, gradients, hooks."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from convscope.insight.network_state import preserved


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Put ``model`` into evaluation mode with frozen parameters and autograd on; restore everything afterwards.

    Each module gets back its own mode, whatever its parent's was, and each parameter its ``requires_grad``, also
    when the body raises. What the network caches while it runs is removed (see `convscope.insight.network_state`).

    Within the body:

    - Inference mode is off, although it is on in Lightning's evaluation loops: the body must clone tensors that were
      made under it.
    - Autocast is off: a map that is computed in bf16 differs.
    - A module that was compiled in place runs its original Python code, since compiled code does not follow a change
      of mode.
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
    """Set evaluation mode, and drop the code that ``module.compile()`` made.

    Call it only within `convscope.insight.network_state.preserved`, which undoes both.
    """
    for module in model.modules():
        module.training = False  # modules may override train() and eval(); their own mode is this attribute
        if is_compiled_in_place(module):
            module._compiled_call_impl = None


def is_compiled_in_place(module: nn.Module) -> bool:
    """Return whether ``module.compile()`` was called."""
    return getattr(module, "_compiled_call_impl", None) is not None


def compiled_path(model: nn.Module) -> str | None:
    """Return the path of the first module that ``torch.compile`` or TorchScript made; None if there is none.

    For the whole network it is "the network".
    """
    for path, module in model.named_modules():
        scripted = isinstance(module, torch.jit.ScriptModule)
        # Compared by name: importing torch._dynamo takes seconds.
        if is_compiled_in_place(module) or scripted or type(module).__name__ == "OptimizedModule":
            return path or "the network"
    return None
