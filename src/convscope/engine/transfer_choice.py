"""Resolves ``transfer=auto``, and refuses overrides of ``transfer`` that would have no effect."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convscope.composition.compose import recompose
from convscope.config.train import TrainConfig
from convscope.config.transfer import SHARED_KEYS
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


def resolve_transfer(config: TrainConfig, weights: "Weights") -> TrainConfig:
    """Return ``config`` with ``transfer=auto`` replaced by the transfer that suits the weights.

    Raises:
        UserError: The transfer needs trained weights, and these are random.
    """
    if config.transfer.name == "auto":
        trains_vectors = getattr(config.model, "variant", "rand") in ("non_static", "multichannel")
        choice = "gradual" if weights.pretrained else "vectors" if trains_vectors else "scratch"
        config = recompose("train", [f"transfer={choice}"], TrainConfig)
    if config.transfer.weights == "known" and not weights.pretrained:
        raise UserError(
            f"transfer={config.transfer.name}: the weights of {config.model.name} are random, and a head on random "
            "features learns next to nothing; give model.weights=FILE, use transfer=scratch, or insist with "
            "transfer.weights=any"
        )
    return config
