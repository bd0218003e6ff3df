"""Networks of the user's own may return more than logits: a tuple, a mapping or an object; here only logits count."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn


def return_logits(network: nn.Module) -> None:
    """Have ``network`` return logits, whatever its ``forward`` returns: see `logits_of`."""
    network.register_forward_hook(_logits_hook)


def _logits_hook(module: nn.Module, inputs: Any, output: Any) -> Any:
    return logits_of(output)


def logits_of(output: Any) -> Any:
    """Return the logits of a network's output.

    They are the output itself if it is a tensor; its ``logits``, if it is a mapping or an object that has them; else
    the first tensor of a tuple or list. Anything else is returned as it is.
    """
    if isinstance(output, torch.Tensor):
        return output
    logits = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    if isinstance(logits, torch.Tensor):
        return logits
    if isinstance(output, Mapping):
        output = list(output.values())
    if isinstance(output, (tuple, list)):
        return next((item for item in output if isinstance(item, torch.Tensor)), output)
    return output
