"""A stage: what is trainable, in which mode the rest stands, at what rates, for how long."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from convscope.transfer.optimization import Optimization


@dataclass(frozen=True)
class Stage:
    """One stage of a transfer, complete.

    Attributes:
        name: How the user calls it.
        train: What is trainable, as ``transfer.selection`` reads it: ``head``, ``last_block``, ``last_blocks(n)``,
            ``all``, or regular expressions over parameter names.
        epochs: Passes over the training data at most.
        optimization: Optimizer, rate and schedule, fresh in this stage.
        rates: Rate of what a pattern selects, where it is not ``optimization.lr``; a later entry wins.
        layer_decay: Factor of the rate from one block to the block before it (Howard & Ruder 2018, section 3.2);
            1 is one rate for all.
        batch_norm: Whether a trainable BatchNorm goes on updating its running statistics, or holds them.
        start_from: The weights that this stage begins with: the best so far, or the last.
        patience: Epochs without a better validation before the stage ends early; None never ends it.
    """

    name: str
    train: tuple[str, ...]
    epochs: int
    optimization: Optimization
    rates: Mapping[str, float] = field(default_factory=dict)
    layer_decay: float = 1.0
    batch_norm: Literal["update", "hold"] = "update"
    start_from: Literal["best", "last"] = "best"
    patience: int | None = None
