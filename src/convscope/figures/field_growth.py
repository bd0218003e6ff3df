"""Figure of how receptive fields grow with depth, such as of plain and dilated networks."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from convscope.figures.classification import BLUE, DOTS_PER_INCH, GREY, INK, ORANGE, RULE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def field_growth(networks: Mapping[str, Sequence[float]], parameters: Mapping[str, int] | None = None) -> "Figure":
    """Return a figure with one curve per network: the side of its receptive field over depth, on a logarithmic scale.

    Args:
        networks: For each name, the side of the receptive field after each convolution.
        parameters: For each name, the number of parameters, which the legend shows beside it.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.6), dpi=DOTS_PER_INCH, layout="constrained", facecolor="white")
    axis = figure.subplots()
    colors = (BLUE, ORANGE, GREY) * math.ceil(len(networks) / 3)
    for (name, sizes), color in zip(networks.items(), colors, strict=False):
        label = f"{name} ({parameters[name]:,} parameters)" if parameters and name in parameters else name
        axis.plot(range(1, len(sizes) + 1), sizes, color=color, marker="o", markersize=4, label=label)
        if sizes:
            axis.annotate(f"{sizes[-1]:g}", (len(sizes), sizes[-1]), xytext=(5, 0), textcoords="offset points",
                          fontsize=9, color=color, va="center")  # fmt: skip
    axis.set_yscale("log", base=2)
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_xlabel("convolutions", fontsize=9, color=GREY)
    axis.set_ylabel("receptive field", fontsize=9, color=GREY)
    axis.locator_params(axis="x", integer=True)
    axis.grid(color=RULE, linewidth=0.8)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(RULE)
    axis.tick_params(colors=GREY, labelsize=8, length=0)
    axis.legend(frameon=False, fontsize=8, labelcolor=INK)
    return figure
