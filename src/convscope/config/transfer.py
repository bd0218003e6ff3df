"""Settings of ``transfer``: which layers are trained, at what rates and for how long, stage by stage."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, create_model, model_validator

from convscope.config.augmentation import Augmentation
from convscope.config.base import Config, matching
from convscope.config.optimization import Optimizer, Schedule
from convscope.config.registry import Registry


class StageConfig(Config):
    """One stage of a training: what it trains, from which weights, how, and for how long.

    Attributes:
        epochs: Maximum number of passes over the training data.
        lr: Learning rate after the warm-up.
        rates: Learning rate by pattern, for parameters whose rate is not ``lr``; a later entry wins.
        layer_decay: Factor of the learning rate from one block to the block before it (Howard & Ruder 2018, section
            3.2); 1 is one rate for all.
        optimizer: Name of the optimizer; see ``transfer.optimization.build_optimizer``.
        momentum: Momentum of ``sgd`` and ``muon``.
        weight_decay: Weight decay of matrices and kernels; vectors have none.
        schedule: Name of the schedule after the warm-up; see ``transfer.optimization.lr_factor``.
        step_every: For ``step``: interval between two drops, as a fraction of the steps after the warm-up.
        step_factor: For ``step``: factor of the learning rate at each drop.
        warmup: Length of the linear warm-up, as a fraction of all steps.
        patience: Number of epochs without a better validation result after which the stage ends early; None for
            that of ``callbacks.early_stopping``, if there is one.
        batch_size: Number of examples of a batch, of all processes together.
        augmentation: The augmentation of the training images.
        views: Stored versions of an augmented image; 0: augment anew in every epoch, without a cache of features.
        batch_norm: Whether a trainable BatchNorm updates its running statistics or holds them.
        start_from: The weights that this stage begins with: those of the best epoch so far, or of the last.
        name: The user's name for the stage.
        train: What is trainable, as ``transfer.selection`` reads it: ``head``, ``last_block``, ``last_blocks(n)``,
            ``all``, or regular expressions over parameter names.
    """

    epochs: PositiveInt
    lr: PositiveFloat
    rates: dict[str, PositiveFloat]
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)]
    optimizer: Optimizer
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)]
    weight_decay: NonNegativeFloat
    schedule: Schedule
    step_every: Annotated[float, Field(gt=0.0, le=1.0)]
    step_factor: Annotated[float, Field(gt=0.0, le=1.0)]
    warmup: Annotated[float, Field(ge=0.0, lt=1.0)]
    patience: PositiveInt | None
    batch_size: Annotated[int, Field(ge=1, le=65536)]
    augmentation: Augmentation
    views: Annotated[int, Field(ge=0, le=64)]
    batch_norm: Literal["update", "hold"]
    start_from: Literal["best", "last"]
    name: Annotated[str, matching(r"\w[\w-]*", "of letters, digits, _ and -")]
    train: Annotated[list[str], Field(min_length=1)]

    @property
    def augments(self) -> bool:
        """Whether the training examples are augmented."""
        return getattr(self.augmentation, "name", "") != "none"


# The keys that may also stand next to `stages`, where they hold for each stage that does not set its own.
SHARED_KEYS = tuple(key for key in StageConfig.model_fields if key not in ("name", "train"))
_optional: Any = {key: (StageConfig.model_fields[key].rebuild_annotation() | None, ...) for key in SHARED_KEYS}
_SharedSettings = create_model("_SharedSettings", __base__=Config, **_optional)


class TransferConfig(_SharedSettings):  # type: ignore[misc, valid-type]
    """A training in stages. A key next to ``stages`` holds for every stage that does not set it."""

    name: str
    weights: Literal["any", "known"]  # `known`: refused on random weights
    stages: Annotated[list[StageConfig], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _fill_in_shared_settings(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or not isinstance(values.get("stages"), list):
            return values
        shared = {key: values[key] for key in SHARED_KEYS if key in values}
        stages = [{**shared, **stage} if isinstance(stage, Mapping) else stage for stage in values["stages"]]
        return {**values, "stages": stages}

    @model_validator(mode="after")
    def _stage_names_differ(self) -> "TransferConfig":
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError(f"two stages have one name ({', '.join(names)})")
        return self

    @property
    def total_epochs(self) -> int:
        """The number of epochs of all stages, if none ends early."""
        return sum(stage.epochs for stage in self.stages)


TRANSFERS = Registry("transfer", default=TransferConfig)


@TRANSFERS.option("auto", builds="convscope.engine.transfer_choice:choose_transfer")
class AutoTransferConfig(TransferConfig):
    """Whichever transfer suits the weights. What ``builds`` one returns its name, or the `TransferConfig` itself."""
