"""Settings of ``transfer``: which layers are trained, at what rates and for how long, stage by stage."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, create_model, model_validator

from convscope.config.base import Config, matching
from convscope.config.data import Augmentation


class StageDefaults(Config):
    """The settings of a stage that may be shared by all stages: all but its name and the layers that it trains."""

    epochs: PositiveInt
    lr: PositiveFloat
    rates: dict[str, PositiveFloat]
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)]
    optimizer: Literal["adamw", "sgd", "muon"]
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)]
    weight_decay: NonNegativeFloat
    schedule: Literal["cosine", "step", "constant"]
    step_every: Annotated[float, Field(gt=0.0, le=1.0)]
    step_factor: Annotated[float, Field(gt=0.0, le=1.0)]
    warmup: Annotated[float, Field(ge=0.0, lt=1.0)]
    patience: PositiveInt | None
    batch_size: Annotated[int, Field(ge=1, le=65536)]
    augmentation: Augmentation
    views: Annotated[int, Field(ge=0, le=64)]  # stored versions of an augmented image; 0: augment anew, no cache
    batch_norm: Literal["update", "hold"]
    start_from: Literal["best", "last"]


class StageConfig(StageDefaults):
    """One stage of a training, with all its settings."""

    name: Annotated[str, matching(r"\w[\w-]*", "of letters, digits, _ and -")]
    train: Annotated[list[str], Field(min_length=1)]


# The same keys next to `stages`: they hold for each stage that does not set its own.
_optional: Any = {name: (field.rebuild_annotation() | None, ...) for name, field in StageDefaults.model_fields.items()}
SharedSettings = create_model("SharedSettings", __base__=Config, **_optional)


class TransferConfig(SharedSettings):  # type: ignore[misc, valid-type]
    """A training in stages. A key next to ``stages`` holds for every stage that does not set it."""

    name: str
    weights: Literal["any", "known"]  # `known`: refused on random weights
    stages: Annotated[list[StageConfig], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _fill_in_shared_settings(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or not isinstance(values.get("stages"), list):
            return values
        shared = {key: values[key] for key in StageDefaults.model_fields if key in values}
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
