"""Resolves ``transfer=auto``, and refuses overrides of ``transfer`` that would have no effect."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convscope.composition.compose import recompose
from convscope.composition.instantiation import call_with_named
from convscope.config.train import TrainConfig
from convscope.config.transfer import SHARED_KEYS, TRANSFERS, TransferConfig
from convscope.errors import UserError

if TYPE_CHECKING:
    from convscope.models.weights import Weights


def refuse_shadowed_defaults(config: TrainConfig, overrides: Sequence[str]) -> None:
    """Raise UserError if an override sets a default for the stages that every stage replaces by its own value."""
    for override in overrides:
        key = override.split("=")[0].removeprefix("transfer.")
        if override.startswith("transfer.") and key in SHARED_KEYS:
            shared_value = getattr(config.transfer, key)
            if all(getattr(stage, key) != shared_value for stage in config.transfer.stages):
                raise UserError(
                    f"{override}: has no effect, since each stage of transfer={config.transfer.name} has its own "
                    f"{key}; set transfer.stages.0.{key} and so on"
                )


def choose_transfer(config: TrainConfig, weights: "Weights") -> str:
    """Return the transfer that suits the weights: the choice of ``transfer=auto``."""
    trains_vectors = getattr(config.model, "variant", "rand") in ("non_static", "multichannel")
    return "gradual" if weights.pretrained else "vectors" if trains_vectors else "scratch"


def resolve_transfer(config: TrainConfig, weights: "Weights") -> TrainConfig:
    """Return ``config`` with a transfer that is a choice, such as ``auto``, replaced by what it chooses.

    Raises:
        UserError: The transfer needs trained weights, and these are random.
    """
    if config.transfer.name in TRANSFERS.classes:
        chosen: str | TransferConfig = call_with_named(
            TRANSFERS.builder(config.transfer.name), settings=config.transfer, config=config, weights=weights
        )
        if isinstance(chosen, str):
            config = recompose("train", [f"transfer={chosen}"], TrainConfig)
        else:
            config = config.model_copy(update={"transfer": chosen})
    if config.transfer.weights == "known" and not weights.pretrained:
        raise UserError(
            f"transfer={config.transfer.name}: the weights of {config.model.name} are random, and a head on random "
            "features learns next to nothing; give model.weights=FILE, use transfer=scratch, or insist with "
            "transfer.weights=any"
        )
    return config
