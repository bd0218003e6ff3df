"""Settings of ``sweep``: how a multirun chooses its values."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, NonNegativeInt, PositiveInt, Tag

from convscope.config.base import Config, matching


def _folder_name(name: str | None) -> str | None:
    if name is not None and (not name.strip() or "/" in name or "\\" in name or name.startswith(".")):
        raise ValueError("must be the name of a folder, without slashes and without a dot at its beginning")
    return name


Name = Annotated[str | None, AfterValidator(_folder_name)]


class GridConfig(Config):
    """A sweep over all combinations of the given values."""

    kind: Literal["grid"]
    name: Name


class SearchConfig(Config):
    """A search that chooses the values of each trial itself: by the earlier trials (TPE) or at random."""

    kind: Literal["tpe", "random"]
    name: Name
    space: dict[str, str]
    trials: PositiveInt
    metric: Annotated[str, matching(r"validation/\w+", "a metric of the validation, as in validation/accuracy")]
    order: Literal["auto", "highest", "lowest"]
    startup: NonNegativeInt
    pruning: Literal["median", "halving", "none"]
    prune_after_trials: NonNegativeInt
    prune_after_epochs: NonNegativeInt
    seed: NonNegativeInt
    storage: Literal["journal", "sqlite"]
    workers: PositiveInt | None

    @property
    def lowest(self) -> bool:
        """Whether a low value of the metric is better."""
        return self.order == "lowest" or (self.order == "auto" and self.metric.endswith("/loss"))


def _kind_of(value: Any) -> str:
    kind = value.get("kind") if isinstance(value, dict) else value.kind
    return "<grid>" if kind == "grid" else "<search>"


SweepConfig = Annotated[
    Annotated[GridConfig, Tag("<grid>")] | Annotated[SearchConfig, Tag("<search>")], Discriminator(_kind_of)
]
