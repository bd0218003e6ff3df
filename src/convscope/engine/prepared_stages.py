"""The stages of a training before the first begins: what each trains, and where its frozen part is cut off."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from convscope.config.train import Train
from convscope.config.transfer import Stage as Told
from convscope.console import say_table
from convscope.engine.features import FeatureMaker
from convscope.insight.network_state import preserved
from convscope.models.blocks import blocks
from convscope.models.images.zoo.network import Network
from convscope.models.texts.network import TextNetwork
from convscope.transfer.cut import Cut, cut
from convscope.transfer.freezing import train_only
from convscope.transfer.optimization import Optimization
from convscope.transfer.plan import StagePlan, plan_stage
from convscope.transfer.split_graph import CannotCutError
from convscope.transfer.stage import Stage


@dataclass(frozen=True)
class Prepared:
    """A stage that can begin: what it trains, and where it is cut, or why it is not."""

    told: Told
    plan: StagePlan
    cut: Cut | None
    reason: str | None


def stage_of(told: Told) -> Stage:
    """The stage that the configuration tells of."""
    values = told.model_dump()
    optimization = Optimization(**{key: values[key] for key in Optimization.__dataclass_fields__})
    own = {key: values[key] for key in Stage.__dataclass_fields__ if key in values and key != "train"}
    return Stage(**own, train=tuple(told.train), optimization=optimization)


def prepare_stages(config: Train, network: Network | TextNetwork, maker: FeatureMaker) -> list[Prepared]:
    """All stages, checked, planned and cut, before the first begins.

    Raises:
        UserError: A stage selects no parameter.
    """
    module = network.module
    ordered = blocks(module, network.head)
    plans = [(told, plan_stage(module, ordered, stage_of(told))) for told in config.transfer.stages]
    prepared = []
    for told, plan in plans:
        reason = _why_not(config, told)
        parts = None
        if reason is None:
            train_only(module, plan.parameters, told.batch_norm)
            try:
                with preserved(module):  # what a network caches while it is traced is no tensor
                    parts = cut(module, maker.sample())
                if maker.as_long_as_a_text(parts):
                    parts, reason = None, "what it says of a text is as long as the text"
            except CannotCutError as error:
                reason = str(error)
        prepared.append(Prepared(told, plan, parts, reason))
    return prepared


def _why_not(config: Train, told: Told) -> str | None:
    if not config.cache.features:
        return "cache.features=false"
    if config.trainer.fast_dev_run:
        return "trainer.fast_dev_run"
    if config.task.mixup or config.task.cutmix:
        return "mixup and CutMix mix the pictures themselves"
    if told.augmentation != "none" and told.views == 0:
        return "every picture is augmented anew (views: 0)"
    return None


def print_plan(prepared: Sequence[Prepared], parameters: int) -> None:
    """A table of the stages: what trains, at what rates, and whether the frozen part is cached."""
    table = Table(box=None, pad_edge=False, header_style="cyan")
    for heading in ("stage", "trains", "parameters", "rate", "epochs", "batch", "frozen part"):
        table.add_column(heading)
    for stage in prepared:
        low, high = stage.plan.rates
        rate = f"{high:g}" if low == high else f"{low:.1e} to {high:g}"
        table.add_row(
            stage.told.name,
            ", ".join(stage.told.train),
            f"{stage.plan.count:,} of {parameters:,}",
            rate,
            str(stage.told.epochs),
            str(stage.told.batch_size),
            f"not cached: {stage.reason}" if stage.reason else _cached(stage.told),
        )
    say_table(table)


def _cached(told: Told) -> str:
    return "cached" if told.augmentation == "none" else f"cached, {told.views} views a picture"
