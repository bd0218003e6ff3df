"""Preparation of all stages before the first begins: what each trains, and where its frozen part is cut off."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.table import Table
from torch import nn

from convscope.config.train import TrainConfig
from convscope.config.transfer import StageConfig
from convscope.console import print_table
from convscope.engine.features import FeatureExtractor
from convscope.insight.network_state import preserved
from convscope.modalities.modality import Modality
from convscope.models.images.zoo.network import Network
from convscope.models.texts.network import TextNetwork
from convscope.transfer.cut import Cut, cut_network
from convscope.transfer.freezing import train_only
from convscope.transfer.plan import StagePlan, plan_stage
from convscope.transfer.split_graph import CannotCutError


@dataclass(frozen=True)
class PreparedStage:
    """A stage that is ready to begin.

    Attributes:
        plan: What the stage trains, and at what learning rates.
        cut: The network, divided into its frozen prefix and the rest; None if the features are not cached.
        why_not_cached: Why they are not; None if they are.
        augmentation: The augmentation of the training examples, as the data module takes it.
    """

    plan: StagePlan
    cut: Cut | None
    why_not_cached: str | None
    augmentation: Any = None


def prepare_stages(
    config: TrainConfig,
    modality: Modality[Any, Any, Any],
    network: Network | TextNetwork,
    extractor: FeatureExtractor,
) -> list[PreparedStage]:
    """Check, plan and cut all stages of the configuration, so that mistakes show before the first stage begins.

    Raises:
        UserError: A stage selects no parameter.
    """
    module = network.module
    ordered_blocks = network.blocks
    plans = [plan_stage(module, ordered_blocks, stage) for stage in config.transfer.stages]
    prepared = [_prepare(plan, config, module, extractor) for plan in plans]
    return [replace(stage, augmentation=modality.augmentation(stage.plan.stage)) for stage in prepared]


def _prepare(plan: StagePlan, config: TrainConfig, network: nn.Module, extractor: FeatureExtractor) -> PreparedStage:
    """Cut ``network`` where the frozen part of a stage ends, if its features can be cached."""
    reason = extractor.data.why_not_cached or _reason_not_cached(config, plan.stage)
    if reason is not None:
        return PreparedStage(plan, None, reason)
    train_only(network, plan.parameters, plan.stage.batch_norm)
    try:
        with preserved(network):  # a network that caches values during tracing would cache symbolic ones
            cut = cut_network(network, extractor.sample())
    except CannotCutError as error:
        return PreparedStage(plan, None, str(error))
    if extractor.depends_on_text_length(cut):
        return PreparedStage(plan, None, "the length of the features changes with the length of the text")
    return PreparedStage(plan, cut, None)


def _reason_not_cached(config: TrainConfig, stage: StageConfig) -> str | None:
    if not config.cache.features:
        return "cache.features=false"
    if config.trainer.fast_dev_run:
        return "trainer.fast_dev_run"
    if config.task.mixup or config.task.cutmix:
        return "mixup and CutMix mix the images themselves"
    if stage.augments and stage.views == 0:
        return "every image is augmented anew (views: 0)"
    return None


def print_plan(stages: Sequence[PreparedStage], parameters: int) -> None:
    """Print a table of the stages: what each trains, its learning rates, and whether the frozen part is cached.

    Args:
        stages: All stages.
        parameters: Number of all parameters of the network.
    """
    table = Table(box=None, pad_edge=False, header_style="cyan")
    for heading in ("stage", "trains", "parameters", "rate", "epochs", "batch", "frozen part"):
        table.add_column(heading)
    for prepared in stages:
        plan, stage = prepared.plan, prepared.plan.stage
        low, high = plan.rate_range
        table.add_row(
            stage.name,
            ", ".join(stage.train),
            f"{plan.count:,} of {parameters:,}",
            f"{high:g}" if low == high else f"{low:.1e} to {high:g}",
            str(stage.epochs),
            str(stage.batch_size),
            f"not cached: {prepared.why_not_cached}" if prepared.why_not_cached else _describe_caching(stage),
        )
    print_table(table)


def _describe_caching(stage: StageConfig) -> str:
    return "cached" if not stage.augments else f"cached, {stage.views} views an image"
