"""Counts of PyTorch operations, among them those that would make the host wait for a GPU."""

from collections import Counter
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

WAITS = {"_local_scalar_dense", "is_nonzero", "nonzero", "equal", "masked_select", "bincount", "_unique2"}


class Operations(TorchDispatchMode):
    """A context that counts operations by name."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    @property
    def waits(self) -> dict[str, int]:
        """The counts of those operations that would make the host wait."""
        return {name: count for name, count in self.counts.items() if name in WAITS}

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[operation._schema.name.removeprefix("aten::")] += 1
        return operation(*args, **kwargs or {})
