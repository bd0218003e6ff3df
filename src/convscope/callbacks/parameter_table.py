"""Where the parameters are: the layers of a run's network at its start, and which of them each stage trains."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch import nn

from convscope.insight.parameters import ParameterTable, count_by_part
from convscope.tracking.recorder import Recorder

COLUMNS = ("layer", "type", "output", "parameters", "trainable", "formula", "multiply-adds", "activation bytes")


class ParameterTableLog(Callback):
    """Logs ``parameters``, ``parameters_by_block`` and the counts at the start of each stage, with what it trains.

    The names of the tables of the later stages end in ``_stage_2`` and so on.

    Args:
        recorder: Takes the tables.
        table: The layers of the whole network, before the first stage.
        network: The whole network, of which a stage may run a part.
        parts: The paths of the modules of each block, by the block's name.
    """

    def __init__(
        self, recorder: Recorder, table: ParameterTable, network: nn.Module, parts: Mapping[str, Sequence[str]]
    ) -> None:
        self.recorder = recorder
        self.table = table
        self.network = network
        self.parts = parts
        self._stages = 0

    def state_dict(self) -> dict[str, Any]:
        """Return how many stages have begun."""
        return {"stages": self._stages}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the number of stages."""
        self._stages = state_dict["stages"]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the network's parameters and which of them the stage trains; a resumed stage has logged them before."""
        if trainer.ckpt_path is not None:
            return
        step = trainer.global_step
        self._stages += 1
        suffix = "" if self._stages == 1 else f"_stage_{self._stages}"
        # The table was made before any stage had frozen a parameter.
        sizes = {name: p.numel() for name, p in self.network.named_parameters() if p.requires_grad}
        rows = [
            [layer.path, layer.type, "×".join(map(str, layer.output[1:])), layer.parameters,
             sum(sizes.get(name, 0) for name in layer.names), layer.formula, layer.multiply_adds,
             layer.activation_bytes]
            for layer in self.table.layers
        ]  # fmt: skip
        self.recorder.table(f"parameters{suffix}", COLUMNS, rows, step)
        counts = count_by_part(self.network, {**self.parts, "all others": ("",)})
        block_rows: list[list[int | str]] = [
            [self._stages, name, count.total, count.trainable, count.frozen]
            for name, count in counts.items()
            if count.total
        ]
        self.recorder.table(
            f"parameters_by_block{suffix}", ("stage", "block", "parameters", "trainable", "frozen"), block_rows, step
        )
        total, trainable = (sum(getattr(count, part) for count in counts.values()) for part in ("total", "trainable"))
        self.recorder.scalars({"parameters/total": total, "parameters/trainable": trainable}, step)
