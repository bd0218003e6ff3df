"""Settings of ``sweep``: how a multirun chooses its values."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, NonNegativeInt, PositiveInt, Tag

from convscope.config.base import Config, matching


def _folder_name(name: str | None) -> str | None:
    if name is not None and (not name.strip() or "/" in name or "\\" in name or name.startswith(".")):
        raise ValueError("must be the name of a folder, without slashes and without a dot at its beginning")
    return name


Name = Annotated[str | None, AfterValidator(_folder_name)]


def zip_groups(value: object) -> list[list[str]]:
    """Return the groups of keys that ``sweep.zip`` names: one for a list of keys, several for a list of such lists.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(value, list) and all(isinstance(key, str) for key in value):
        value = [value] if value else []
    if isinstance(value, list) and all(
        isinstance(group, list) and all(isinstance(key, str) for key in group) for group in value
    ):
        return value
    raise ValueError("must be a list of keys, as in [model.depth,transfer.lr], or a list of such lists")


class GridConfig(Config):
    """A sweep over all combinations of the given values; the values of some keys may go together."""

    kind: Literal["grid"]
    name: Name
    zip: Annotated[list[list[str]], BeforeValidator(zip_groups)] = Field(default_factory=list)  # older runs lack it


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
