"""What a run records about its network besides the training curves: its parameters and its receptive field."""

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
from convscope.models.images.zoo.network import Network
from convscope.models.texts.network import TextNetwork
from convscope.preprocessing import Preprocessing
from convscope.tracking.recorder import Recorder


@dataclass
class Insights:
    """The callbacks that serve all stages of a run, and their results for the summary.

    Attributes:
        table: The layers of the network, with their parameters and receptive fields.
        callbacks: The callbacks.
        field_log: The callback of the receptive field; None if it is off.
        unit: Unit of the receptive fields: ``px`` or ``tokens``.
    """

    table: ParameterTable
    callbacks: list[Callback] = field(default_factory=list)
    field_log: ReceptiveFieldLog | None = None
    unit: str = "px"

    def finish(self) -> None:
        """Draw the receptive field before and after, once the network holds the weights that were tested."""
        if self.field_log is not None:
            self.field_log.draw_before_and_after(step=0)

    @property
    def receptive_field(self) -> dict[str, Any]:
        """The entry ``receptive_field`` of ``summary.json``."""
        if self.field_log is not None:
            return {**self.field_log.summary, "unit": self.unit}
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
    """Return the callbacks for parameters and receptive field, if switched on, with their results for the summary.

    ``callbacks.parameters`` and ``callbacks.receptive_field`` switch them on.

    Args:
        config: The configuration of the run.
        network: The whole network.
        table: The layers of the network, before any stage has frozen a parameter.
        data: The effective field is measured on images of its validation split; None: it is not measured, as for texts,
            whose tokens have no gradient.
        recorder: Takes tables, figures and scalars.
        time_spent: Counts the seconds.
    """
    settings = config.callbacks
    insights = Insights(table, unit="px" if isinstance(network, Network) else "tokens")
    if settings.parameters:
        parts = {block.name: block.modules for block in network.blocks if block.modules}
        insights.callbacks.append(ParameterTableLog(recorder, table, network.module, parts))
    if settings.receptive_field:
        images = image = None
        if data is not None and settings.effective_field and not config.trainer.fast_dev_run:
            images = next(data.inputs("validation", batch_size=settings.effective_field))
            preprocessing = network.preprocessing
            assert isinstance(preprocessing, Preprocessing)
            mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (preprocessing.mean, preprocessing.std))
            pixels = ((images[0].float() * std + mean).clamp(0, 1) * 255).round().byte()
            image = pixels.permute(1, 2, 0).numpy()
        insights.field_log = ReceptiveFieldLog(recorder, table, network.module, images, image, time_spent)
        insights.callbacks.append(insights.field_log)
    return insights
