"""The receptive field of a run's network, theoretical and effective: before training, after each stage, at the end."""

import warnings
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import nn

from convscope.callbacks.time_spent import TimeSpent
from convscope.errors import UserError
from convscope.figures.field_sheet import Panel, field_sheet
from convscope.insight.effective_field import EffectiveField, find_field_layer, measure_effective_field
from convscope.insight.parameters import ParameterTable
from convscope.insight.receptive_field import Field, LayerField, as_number
from convscope.tracking.recorder import Recorder

COLUMNS = ("layer", "type", "output", "field", "stride", "offset", "padding", "global context")


class ReceptiveFieldLog(Callback):
    """Logs the table ``receptive_field`` once, and the effective field several times.

    Figures ``receptive_field/effective/...`` and scalars are logged before the first stage, after each stage, and for
    the best weights. One instance serves all stages of a run. If a field cannot be measured, that is a warning and the
    training goes on.

    Args:
        recorder: Takes tables, figures and scalars.
        table: The layers of the whole network.
        network: The whole network, of which a stage may run a part.
        images: Normalised images (N, C, H, W) to measure on; None: no effective field.
        image: One of them as uint8 (H, W, C), for the figures.
        time_spent: Counts the seconds, as ``effective field``.

    Attributes:
        first: The effective field before training.
        last: The effective field that was measured last.
    """

    def __init__(
        self,
        recorder: Recorder,
        table: ParameterTable,
        network: nn.Module,
        images: torch.Tensor | None,
        image: np.ndarray | None = None,
        time_spent: TimeSpent | None = None,
    ) -> None:
        self.recorder = recorder
        self.time_spent = time_spent or TimeSpent()
        self.table = table
        self.network = network
        self.images = images
        self.image = image
        self.first: EffectiveField | None = None
        self.last: EffectiveField | None = None
        self._layer: LayerField | None = None  # the same in every stage
        self._measured_weights: dict[str, torch.Tensor] = {}  # the weights that `last` depends on
        self._started = False
        self._stages = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the first and the last measurement, and the number of finished stages, as plain values and tensors."""
        measurable = self.images is not None
        return {
            "stages": self._stages, "first": _plain(self.first), "last": _plain(self.last), "measurable": measurable,
        }  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the measurements and the number of stages."""
        self._started, self._stages = True, state_dict["stages"]
        self.first, self.last = (self._field(state_dict[name]) for name in ("first", "last"))
        if not state_dict["measurable"]:  # an earlier attempt failed, and the warning was given
            self.images = None

    def _field(self, plain: dict[str, Any] | None) -> EffectiveField | None:
        if plain is None or self.images is None:
            return None
        if self._layer is None:
            self._layer = find_field_layer(self.network, tuple(self.images.shape))
        return EffectiveField(**plain, field=self._layer.field)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the theoretical fields, and the effective one before training; once in a run."""
        if self._started:
            return
        self._started = True
        rows = [_row(layer.path, layer.type, layer.output, layer.field) for layer in self.table.layers if layer.output]
        self.recorder.table("receptive_field", COLUMNS, rows, trainer.global_step)
        self.first = self.last = self._measure(trainer.global_step, "start")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the effective field after the stage, before the stage's last checkpoint is written."""
        self._stages += 1
        measured = self._measure(trainer.global_step, f"stage_{self._stages}")
        if measured is not None:
            self.last = measured

    def draw_before_and_after(self, step: int) -> None:
        """Draw the first field next to that of the current weights, as ``receptive_field/before_and_after``."""
        final = self._measure(step, "end")
        if final is None or self.first is None or final.gradient.ndim != 2:
            return
        self.last = final
        panels = [self._panel(title, field) for title, field in (("before", self.first), ("after", final))]
        with self.time_spent.measure("effective field"):
            sheet = field_sheet(panels, f"Effective receptive field of the centre of {final.layer}")
            self.recorder.image("receptive_field/before_and_after", sheet, step)

    @property
    def summary(self) -> dict[str, Any]:
        """The entry ``receptive_field`` of ``summary.json``: sides in pixels, None for what is not known."""
        network = self.table.receptive_field
        theoretical = None if network is None or network.field is None else network.field.size[-1]
        effective = None if self.last is None else round(self.last.side, 1)
        return {"theoretical": theoretical, "effective": effective, "details": _details(self.first, self.last)}

    def _measure(self, step: int, moment: str) -> EffectiveField | None:
        if self.images is None:
            return None
        with self.time_spent.measure("effective field"):
            return self._measure_and_log(self.images, step, moment)

    def _measure_and_log(self, images: torch.Tensor, step: int, moment: str) -> EffectiveField | None:
        device = next(self.network.parameters()).device
        try:
            if self._layer is None:
                self._layer = find_field_layer(self.network, tuple(images.shape))
            weights = self._weights(self._layer)
            if self.last is not None and _equal(weights, self._measured_weights):
                measured = self.last  # unchanged weights have an unchanged field
            else:
                with torch.autocast(device.type, enabled=False):
                    measured = measure_effective_field(self.network, images.to(device), self._layer)
                # on the CPU: a training may need all of the GPU's memory
                self._measured_weights = {name: value.to("cpu", copy=True) for name, value in weights.items()}
        except Exception as error:  # of any kind: the network may be the user's own code, whose training goes on
            reason = str(error) if isinstance(error, (UserError, RuntimeError)) else f"{type(error).__name__}: {error}"
            warnings.warn(f"the effective receptive field cannot be measured: {reason}", stacklevel=2)
            self.images = None
            return None
        scalars = {
            "receptive_field/effective_radius": measured.radius,
            "receptive_field/effective": measured.side,
            "receptive_field/effective_side_of_half": measured.side_of_half,
            "receptive_field/effective_side_of_most": measured.side_of_most,
        }
        if measured.share is not None:
            scalars["receptive_field/effective_share"] = measured.share
        self.recorder.scalars(scalars, step)
        if measured.gradient.ndim == 2:
            sheet = field_sheet([self._panel(moment.replace("_", " "), measured)])
            self.recorder.image(f"receptive_field/effective/{moment}", sheet, step)
        return measured

    def _weights(self, layer: LayerField) -> dict[str, torch.Tensor]:
        """Return the weights and buffers, without those of modules that run only after ``layer``."""
        paths = [row.path for row in self.table.layers]
        end = len(paths) - paths[::-1].index(layer.path) if layer.path in paths else len(paths)
        after = {*paths[end:]} - {*paths[:end]}
        state = self.network.state_dict()
        return {name: value for name, value in state.items() if name.rpartition(".")[0] not in after}

    def _panel(self, title: str, measured: EffectiveField) -> Panel:
        caption = f"{title}: {measured.side:.0f} px"
        box = None
        if measured.field is not None and not measured.field.everything:
            height, width = (float(size or 0) for size in measured.field.size)
            caption += f" of {measured.field}"
            box = (measured.centre[0] - height / 2, measured.centre[1] - width / 2, height, width)
        return Panel(caption, measured.gradient.numpy(), self.image, box)


def _plain(measured: EffectiveField | None) -> dict[str, Any] | None:
    """Return all but the theoretical field, whose fractions a checkpoint cannot hold."""
    if measured is None:
        return None
    return {entry.name: getattr(measured, entry.name) for entry in fields(measured) if entry.name != "field"}


def _equal(weights: Mapping[str, torch.Tensor], reference: Mapping[str, torch.Tensor]) -> bool:
    return weights.keys() == reference.keys() and all(
        torch.equal(value.cpu(), reference[name]) for name, value in weights.items()
    )


def _row(path: str, kind: str, output: tuple[int, ...], field: Field | None) -> list[Any]:
    shape = "×".join(map(str, output[1:]))
    if field is None:
        return [path, kind, shape, "", "", "", "", ""]
    if field.everything:
        return [path, kind, shape, "global", "", "", "", ""]
    written = ["×".join(str(as_number(v)) for v in values) if len(set(values)) > 1 else as_number(values[0])
               for values in (field.stride, field.offset)]  # fmt: skip
    return [path, kind, shape, str(field), *written, field.padding[-1], "yes" if field.context else ""]


def _details(first: EffectiveField | None, last: EffectiveField | None) -> dict[str, Any]:
    def numbers(field: EffectiveField) -> dict[str, Any]:
        share = None if field.share is None else round(field.share, 4)
        return {
            "radius": round(field.radius, 2), "side": round(field.side, 2), "side_of_half": field.side_of_half,
            "side_of_most": field.side_of_most, "share": share,
        }  # fmt: skip

    if first is None or last is None:
        return {}
    return {"layer": last.layer, "before": numbers(first), "after": numbers(last)}
