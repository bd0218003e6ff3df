"""Figure of the receptive field after each convolution, for one or several networks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convscope.description.description import Description
from convscope.figures.field_growth import field_growth

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def comparison_labels(overrides: Sequence[str], compare: Sequence[Sequence[str]]) -> list[str]:
    """Return a label for each compared network: the values of the overrides in which they differ.

    Args:
        overrides: Overrides of the first network.
        compare: Overrides of each further network; empty if there is only one network, whose label is empty.
    """
    if not compare:
        return [""]
    keys = [override.partition("=")[0] for override in compare[0]]
    given = {key: value for key, _, value in (override.partition("=") for override in overrides)}
    first = [f"{key}={given[key]}" for key in keys if key in given]
    return [", ".join(item.partition("=")[2] for item in differing) for differing in (first, *compare)]


def field_sides(description: Description) -> list[int]:
    """Return the side of the receptive field after each convolution that sees only a part of the input.

    If the sides differ, the longest counts.
    """
    return [
        max(size for size in layer.field.size if size is not None)
        for layer in description.table.layers
        if layer.geometry is not None and layer.parameters and layer.field is not None and not layer.field.everything
    ]


def growth_figure(names: Sequence[str], descriptions: Sequence[Description]) -> "Figure":
    """Return a figure with one curve per network: the side of its receptive field after each convolution.

    Args:
        names: Name of each curve in the legend; if empty, the name of the network.
        descriptions: The networks.
    """
    titles = [name or description.model for name, description in zip(names, descriptions, strict=True)]
    networks = dict(zip(titles, map(field_sides, descriptions), strict=True))
    parameters = {title: description.table.parameters for title, description in zip(titles, descriptions, strict=True)}
    return field_growth(networks, parameters)
