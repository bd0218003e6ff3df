"""A stage of a transfer: which parameters train, in which mode, at which learning rates, and for how long."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from convscope.transfer.optimization import Optimization


@dataclass(frozen=True)
class Stage:
    """What one stage of a transfer trains, from which weights, how, and for how long.

    Settings of its data (batch size, augmentation, views) are not held here.

    Attributes:
        name: The user's name for the stage.
        train: What is trainable, as ``transfer.selection`` reads it: ``head``, ``last_block``, ``last_blocks(n)``,
            ``all``, or regular expressions over parameter names.
        epochs: Maximum number of passes over the training data.
        optimization: Settings of the optimizer and the schedule, which start anew in this stage.
        rates: Learning rate by pattern, for parameters whose rate is not ``optimization.lr``; a later entry wins.
        layer_decay: Factor of the learning rate from one block to the block before it (Howard & Ruder 2018, section
            3.2); 1 is one rate for all.
        batch_norm: Whether a trainable BatchNorm updates its running statistics or holds them.
        start_from: The weights that this stage begins with: those of the best epoch so far, or of the last.
        patience: Number of epochs without a better validation result after which the stage ends early; None for
            that of ``callbacks.early_stopping``, if there is one.
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
