"""Which stages a training has, where its user left the choice to the weights, and which words would change nothing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convscope.composition.compose import recompose
from convscope.config.train import TrainConfig
from convscope.config.transfer import StageDefaults
from convscope.errors import UserError

if TYPE_CHECKING:
    from convscope.models.weights import Weights


def refuse_without_effect(config: TrainConfig, overrides: Sequence[str]) -> None:
    """Refuse a key beside ``transfer.stages`` where each stage has another value of its own.

    Raises:
        UserError: Such a key is among ``overrides``.
    """
    for word in overrides:
        key = word.split("=")[0].removeprefix("transfer.")
        if word.startswith("transfer.") and key in StageDefaults.model_fields:
            told = getattr(config.transfer, key)
            if all(getattr(stage, key) != told for stage in config.transfer.stages):
                raise UserError(
                    f"{word}: has no effect, since each stage of transfer={config.transfer.name} has its own {key}; "
                    f"set transfer.stages.0.{key} and so on"
                )


def resolve_transfer(config: TrainConfig, weights: "Weights") -> TrainConfig:
    """``config`` with ``transfer=auto`` replaced by what suits the weights.

    Raises:
        UserError: The transfer needs known weights, and these are random.
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
