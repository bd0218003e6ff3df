"""What a stage means for one network: which parameters train, and at what rates."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from convscope.errors import UserError
from convscope.models.blocks import Block
from convscope.transfer.optimization import ParameterGroup, split_by_decay
from convscope.transfer.selection import block_of, select
from convscope.transfer.stage import Stage


@dataclass(frozen=True)
class StagePlan:
    """A stage, for one network: names of its trainable ``parameters``, how many numbers they are, and their groups."""

    stage: Stage
    parameters: tuple[str, ...]
    count: int
    groups: tuple[ParameterGroup, ...]

    @property
    def rates(self) -> tuple[float, float]:
        """Lowest and highest rate."""
        rates = [group.lr for group in self.groups]
        return min(rates), max(rates)


def plan_stage(network: nn.Module, ordered: Sequence[Block], stage: Stage) -> StagePlan:
    """What ``stage`` trains of ``network``, whose blocks are ``ordered``.

    The rate of a parameter is the last entry of ``stage.rates`` that selects it, else ``lr · layer_decay^d``, where
    d is the number of blocks between its own and the head. Groups are one a rate, that of the head first, each split
    in what has weight decay and what has none: every further group costs a call of the optimizer a step.

    Raises:
        UserError: A pattern selects nothing, or nothing is left to train.
    """
    key = f"transfer.stages ({stage.name})"
    chosen = select(network, ordered, stage.train, f"{key}.train")
    if not chosen:
        raise UserError(f"{key}.train: is empty, so the stage trains nothing; give head, last_block, all, ...")
    told = stage.optimization
    own_rates: dict[str, float] = {}
    for pattern, rate in stage.rates.items():
        own_rates |= dict.fromkeys(select(network, ordered, [pattern], f"{key}.rates"), rate)
    grouped: dict[float, dict[str, int]] = {}
    for name in chosen:
        place = block_of(ordered, name)
        rate = own_rates.get(name, told.lr * stage.layer_decay ** (len(ordered) - 1 - place))
        grouped.setdefault(rate, {})[name] = place
    groups: list[ParameterGroup] = []
    for rate, places in sorted(grouped.items(), key=lambda group: max(group[1].values()), reverse=True):
        first, last = (ordered[place].name for place in (min(places.values()), max(places.values())))
        title = last if first == last else f"{first} to {last}"
        groups += split_by_decay(network, title, list(places), rate, told.weight_decay)
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    return StagePlan(stage, tuple(chosen), sum(sizes[name] for name in chosen), tuple(groups))
