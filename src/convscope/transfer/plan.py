"""The plan of a stage for one network: which parameters train, and at which learning rates."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from convscope.config.transfer import StageConfig
from convscope.models.blocks import Block
from convscope.transfer.optimization import ParameterGroup, split_by_decay
from convscope.transfer.selection import block_of, select


@dataclass(frozen=True)
class StagePlan:
    """What a stage trains of one network, and at which learning rates.

    Attributes:
        stage: The stage's part of the configuration.
        parameters: Names of the trainable parameters, in the network's order.
        count: Number of scalars in these parameters.
        groups: Groups of these parameters for the optimizer.
    """

    stage: StageConfig
    parameters: tuple[str, ...]
    count: int
    groups: tuple[ParameterGroup, ...]

    @property
    def rate_range(self) -> tuple[float, float]:
        """Return the lowest and the highest learning rate."""
        rates = [group.lr for group in self.groups]
        return min(rates), max(rates)


def plan_stage(network: nn.Module, blocks: Sequence[Block], stage: StageConfig) -> StagePlan:
    """Return which parameters of ``network`` the ``stage`` trains, at which learning rates.

    The learning rate of a parameter is that of the last entry of ``stage.rates`` that selects it, else
    ``lr · layer_decay^d``, where d is the number of blocks from its own to the head. There is one group for each
    learning rate, that of the head first, and each group is split into what has weight decay and what has none. There
    are no more groups than that because each costs a call of the optimizer in every step.

    Args:
        network: The network.
        blocks: Its blocks in order, from ``models.blocks``; the head is the last.
        stage: The stage's part of the configuration.

    Raises:
        UserError: A pattern selects nothing.
    """
    key = f"transfer.stages ({stage.name})"
    chosen = select(network, blocks, stage.train, f"{key}.train")
    own_rates: dict[str, float] = {}
    for pattern, rate in stage.rates.items():
        own_rates |= dict.fromkeys(select(network, blocks, [pattern], f"{key}.rates"), rate)
    grouped: dict[float, dict[str, int]] = {}
    for name in chosen:
        place = block_of(blocks, name)
        rate = own_rates.get(name, stage.lr * stage.layer_decay ** (len(blocks) - 1 - place))
        grouped.setdefault(rate, {})[name] = place
    groups: list[ParameterGroup] = []
    for rate, places in sorted(grouped.items(), key=lambda group: max(group[1].values()), reverse=True):
        first, last = (blocks[place].name for place in (min(places.values()), max(places.values())))
        title = last if first == last else f"{first} to {last}"
        groups += split_by_decay(network, title, list(places), rate, stage.weight_decay)
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    return StagePlan(stage, tuple(chosen), sum(sizes[name] for name in chosen), tuple(groups))
