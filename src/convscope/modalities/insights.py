"""What a training tells of its network beside the curves: its parameters, and how far it sees."""

from dataclasses import dataclass, field
from typing import Any

import torch
from pytorch_lightning.callbacks import Callback

from convscope.callbacks.parameter_table import ParameterTableLog
from convscope.callbacks.receptive_field import ReceptiveFieldLog
from convscope.callbacks.time_spent import TimeSpent
from convscope.config.train import TrainConfig
from convscope.data.images.image_data_module import ImageDataModule
from convscope.insight.parameters import ParameterTable
from convscope.models.blocks import blocks
from convscope.models.images.zoo.network import Network
from convscope.models.texts.network import TextNetwork
from convscope.preprocessing import Preprocessing
from convscope.tracking.recorder import Recorder


@dataclass
class Insights:
    """The callbacks that serve all stages of a run, and what they leave for its summary."""

    table: ParameterTable
    callbacks: list[Callback] = field(default_factory=list)
    fields: ReceptiveFieldLog | None = None
    unit: str = "px"  # of the fields

    def finish(self) -> None:
        """After the test, with the weights that were tested: the field before and after."""
        if self.fields is not None:
            self.fields.draw_before_and_after(step=0)

    @property
    def receptive_field(self) -> dict[str, Any]:
        """For ``summary.json``."""
        if self.fields is not None:
            return {**self.fields.summary, "unit": self.unit}
        network = self.table.receptive_field
        size = None if network is None or network.field is None else network.field.size[-1]
        return {"theoretical": size, "effective": None, "details": {}, "unit": self.unit}


def build_insights(
    config: TrainConfig,
    network: Network | TextNetwork,
    table: ParameterTable,
    data: ImageDataModule | None,
    recorder: Recorder,
    time_spent: TimeSpent,
) -> Insights:
    """What ``callbacks=...`` switches on of it.

    The effective field is measured on images of the validation split of ``data``; None: it is not, as of texts,
    whose tokens have no gradient. ``spent`` counts the time.
    """
    told = config.callbacks
    insights = Insights(table, unit="px" if isinstance(network, Network) else "tokens")
    if told.parameters:
        parts = {block.name: block.modules for block in blocks(network.module, network.head)}
        insights.callbacks.append(ParameterTableLog(recorder, table, network.module, parts))
    if told.receptive_field:
        images = image = None
        if data is not None and told.effective_field and not config.trainer.fast_dev_run:
            images = next(data.inputs("validation", batch_size=told.effective_field))
            seen = network.preprocessing
            assert isinstance(seen, Preprocessing)
            mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (seen.mean, seen.std))
            pixels = ((images[0].float() * std + mean).clamp(0, 1) * 255).round().byte()
            image = pixels.permute(1, 2, 0).numpy()
        insights.fields = ReceptiveFieldLog(recorder, table, network.module, images, image, time_spent)
        insights.callbacks.append(insights.fields)
    return insights
