"""The stages of a training before the first begins: what each trains, and where its frozen part is cut off."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from convscope.config.train import TrainConfig
from convscope.config.transfer import StageConfig as Told
from convscope.console import print_table
from convscope.engine.features import FeatureExtractor
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
class PreparedStage:
    """A stage that can begin: what it trains, and where it is cut, or why it is not."""

    config: Told
    plan: StagePlan
    cut: Cut | None
    why_not_cached: str | None


def build_stage(config: Told) -> Stage:
    """The stage that the configuration tells of."""
    values = config.model_dump()
    optimization = Optimization(**{key: values[key] for key in Optimization.__dataclass_fields__})
    own = {key: values[key] for key in Stage.__dataclass_fields__ if key in values and key != "train"}
    return Stage(**own, train=tuple(config.train), optimization=optimization)


def prepare_stages(
    config: TrainConfig, network: Network | TextNetwork, extractor: FeatureExtractor
) -> list[PreparedStage]:
    """All stages, checked, planned and cut, before the first begins.

    Raises:
        UserError: A stage selects no parameter.
    """
    module = network.module
    ordered = blocks(module, network.head)
    plans = [(told, plan_stage(module, ordered, build_stage(told))) for told in config.transfer.stages]
    prepared = []
    for told, plan in plans:
        reason = _why_not(config, told)
        parts = None
        if reason is None:
            train_only(module, plan.parameters, told.batch_norm)
            try:
                with preserved(module):  # what a network caches while it is traced is no tensor
                    parts = cut(module, extractor.sample())
                if extractor.as_long_as_a_text(parts):
                    parts, reason = None, "what it says of a text is as long as the text"
            except CannotCutError as error:
                reason = str(error)
        prepared.append(PreparedStage(told, plan, parts, reason))
    return prepared


def _why_not(config: TrainConfig, stage: Told) -> str | None:
    if not config.cache.features:
        return "cache.features=false"
    if config.trainer.fast_dev_run:
        return "trainer.fast_dev_run"
    if config.task.mixup or config.task.cutmix:
        return "mixup and CutMix mix the images themselves"
    if stage.augmentation != "none" and stage.views == 0:
        return "every image is augmented anew (views: 0)"
    return None


def print_plan(prepared: Sequence[PreparedStage], parameters: int) -> None:
    """A table of the stages: what trains, at what rates, and whether the frozen part is cached."""
    table = Table(box=None, pad_edge=False, header_style="cyan")
    for heading in ("stage", "trains", "parameters", "rate", "epochs", "batch", "frozen part"):
        table.add_column(heading)
    for stage in prepared:
        low, high = stage.plan.rates
        rate = f"{high:g}" if low == high else f"{low:.1e} to {high:g}"
        table.add_row(
            stage.config.name,
            ", ".join(stage.config.train),
            f"{stage.plan.count:,} of {parameters:,}",
            rate,
            str(stage.config.epochs),
            str(stage.config.batch_size),
            f"not cached: {stage.why_not_cached}" if stage.why_not_cached else _cached(stage.config),
        )
    print_table(table)


def _cached(stage: Told) -> str:
    return "cached" if stage.augmentation == "none" else f"cached, {stage.views} views an image"
