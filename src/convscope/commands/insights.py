"""What a training tells of its network beside the curves: its parameters, and how far it sees."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pytorch_lightning.callbacks import Callback

from convscope.callbacks.parameter_table import ParameterTableLog
from convscope.callbacks.receptive_field import ReceptiveFieldLog
from convscope.commands.console import warn
from convscope.commands.subject import Subject
from convscope.config.train import Train
from convscope.errors import UserError
from convscope.insight.parameters import ParameterTable, describe_parameters
from convscope.models.blocks import blocks
from convscope.models.network import Network
from convscope.models.text_network import TextNetwork
from convscope.tracking.recorder import Recorder

if TYPE_CHECKING:
    from convscope.data.image_data_module import ImageDataModule
    from convscope.data.text_data_module import TextDataModule


@dataclass
class Insights:
    """The callbacks that serve all stages of a run, and what they leave for its summary."""

    table: ParameterTable | None = None
    callbacks: list[Callback] = field(default_factory=list)
    fields: ReceptiveFieldLog | None = None

    def finish(self) -> None:
        """After the test, with the weights that were tested: the field before and after."""
        if self.fields is not None:
            self.fields.draw(step=0)

    @property
    def receptive_field(self) -> dict[str, Any]:
        """For ``summary.json``."""
        if self.fields is not None:
            return self.fields.summary
        network = None if self.table is None else self.table.receptive_field
        size = None if network is None or network.field is None else network.field.size[-1]
        return {"theoretical": size, "effective": None, "details": {}}


def build_insights(
    config: Train,
    network: Network | TextNetwork,
    subject: Subject,
    data: "ImageDataModule | TextDataModule",
    recorder: Recorder,
) -> Insights:
    """What ``callbacks=...`` switches on of it; the effective field is measured on pictures of the validation split.

    To be called before the network is compiled: compiled code cannot be followed.
    """
    told, module = config.callbacks, network.module
    try:
        table = describe_parameters(module, (1, *subject.summary()["model"]["input"]))
    except UserError as error:
        warn(f"no table of parameters, no receptive fields: {error}")
        return Insights()
    insights = Insights(table)
    if told.parameters:
        parts = {block.name: block.modules for block in blocks(module, network.head)}
        insights.callbacks.append(ParameterTableLog(recorder, table, module, parts))
    if told.receptive_field:
        images = picture = None
        if told.effective_field and subject.things == "pictures" and not config.trainer.fast_dev_run:
            images = next(iter(data.inputs("validation", batch_size=told.effective_field)))
            picture = _picture(images[0], network.preprocessing)
        insights.fields = ReceptiveFieldLog(recorder, table, module, images, picture)
        insights.callbacks.append(insights.fields)
    return insights


def _picture(image: torch.Tensor, seen: Any) -> np.ndarray:
    """A normalised picture (C, H, W) as uint8 (H, W, C)."""
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (seen.mean, seen.std))
    pixels = ((image.float() * std + mean).clamp(0, 1) * 255).round().byte()
    return pixels.permute(1, 2, 0).contiguous().numpy()
