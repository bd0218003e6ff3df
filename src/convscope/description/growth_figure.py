"""How the field of described networks grows with every convolution, as a figure: plain against dilated ones, say."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convscope.description.description import Description
from convscope.figures.field_growth import field_growth

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def comparison_labels(overrides: Sequence[str], compare: Sequence[Sequence[str]]) -> list[str]:
    """What tells compared networks apart: the values of the keys that differ; of a single one, nothing."""
    if not compare:
        return [""]
    keys = [word.partition("=")[0] for word in compare[0]]
    told = {key: value for key, _, value in (word.partition("=") for word in overrides)}
    first = [f"{key}={told[key]}" for key in keys if key in told]
    return [", ".join(word.partition("=")[2] for word in words) for words in (first, *compare)]


def field_sides(description: Description) -> list[int]:
    """Side of the field after each convolution that sees a part of the input: the longest, where axes differ."""
    return [
        max(size for size in layer.field.size if size is not None)
        for layer in description.table.layers
        if layer.geometry is not None and layer.parameters and layer.field is not None and not layer.field.everything
    ]


def growth_figure(names: Sequence[str], described: Sequence[Description]) -> "Figure":
    """A line a network: the side of its field over its convolutions, with its parameters beside its name."""
    titles = [name or one.model for name, one in zip(names, described, strict=True)]
    networks = dict(zip(titles, map(field_sides, described), strict=True))
    return field_growth(networks, {name: one.table.parameters for name, one in zip(titles, described, strict=True)})
