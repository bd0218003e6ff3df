"""What Lightning does at every step, done faster: each override here exists for its speed alone.

`python -m benchmarks --only hot_path` measures the step with each of them and without. A small network
(LeNet-5) is slowed down most.
"""

from typing import Any

import pytorch_lightning as pl

PLAIN_ATTRIBUTES = frozenset({"_current_fx_name", "_example_count"})  # set at every step


class HotPath(pl.LightningModule):
    """A LightningModule whose steps cost less; see the benchmark ``hot_path/...`` of each override."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute as any module does, but some of them without the module's checks (``plain_attributes``).

        Lightning sets the name of the current hook forty times a step, and a module first checks whether a value is a
        parameter, a module or a buffer.
        """
        if name in PLAIN_ATTRIBUTES:
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)
