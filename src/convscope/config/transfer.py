"""``transfer``: what of the network is trained, at what rates, for how long, stage by stage."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, create_model, model_validator

from convscope.config.base import Config, matching
from convscope.config.data import Augmentation


class StageDefaults(Config):
    """What a stage is told beside its name and what it trains."""

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
    """One stage, complete."""

    name: Annotated[str, matching(r"\w[\w-]*", "of letters, digits, _ and -")]
    train: Annotated[list[str], Field(min_length=1)]


# The same keys beside `stages`: for each stage that does not say its own.
_shared: Any = {name: (field.rebuild_annotation() | None, ...) for name, field in StageDefaults.model_fields.items()}
SharedSettings = create_model("SharedSettings", __base__=Config, **_shared)


class TransferConfig(SharedSettings):  # type: ignore[misc, valid-type]
    """A training in stages. A stage takes from beside ``stages`` what it does not say itself."""

    name: str
    weights: Literal["any", "known"]  # `known`: refused on random weights
    stages: Annotated[list[StageConfig], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or not isinstance(values.get("stages"), list):
            return values
        shared = {key: values[key] for key in StageDefaults.model_fields if key in values}
        stages = [{**shared, **stage} if isinstance(stage, Mapping) else stage for stage in values["stages"]]
        return {**values, "stages": stages}

    @model_validator(mode="after")
    def _named_apart(self) -> "TransferConfig":
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError(f"two stages have one name ({', '.join(names)})")
        return self

    @property
    def total_epochs(self) -> int:
        """Of all stages, if none ends early."""
        return sum(stage.epochs for stage in self.stages)
