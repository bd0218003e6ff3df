"""Which weights of a training are kept."""

from pathlib import Path

import torch
from pytorch_lightning.callbacks import ModelCheckpoint


class BestCheckpoint(ModelCheckpoint):
    """Keeps the weights of the epoch with the best ``monitor`` as ``best.ckpt``; of equals, the latest.

    On a small validation split many epochs share one accuracy. The later of them were made at a lower rate, and
    are the better ones as a rule.
    """

    def __init__(self, folder: Path, monitor: str, mode: str) -> None:
        super().__init__(
            folder, "best", monitor=monitor, mode=mode, save_weights_only=True, enable_version_counter=False
        )

    @property
    def state_key(self) -> str:
        """Lightning asks at every hook of every step; its own answer formats all settings anew."""
        return "BestCheckpoint"

    def check_monitor_top_k(self, trainer: object, current: torch.Tensor | None = None) -> bool:
        """Whether ``current`` is at least as good as the best so far."""
        better = super().check_monitor_top_k(trainer, current)  # type: ignore[arg-type]
        return better or (current is not None and current == self.best_model_score)


class LastCheckpoint(ModelCheckpoint):
    """Keeps everything that a resume needs as ``last.ckpt``, after each epoch."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "last", enable_version_counter=False)

    @property
    def state_key(self) -> str:
        """As of ``BestCheckpoint``."""
        return "LastCheckpoint"
