"""Figures of receptive fields: the effective one over a picture, its growth, plain against dilated networks."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from convscope.tracking.figures import BLUE, DOTS_PER_INCH, GREY, INK, ORANGE, RULE, Pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Box = tuple[float, float, float, float]  # top, left, height, width, in pixels


def effective_field(
    panels: Sequence[tuple[str, np.ndarray, Pixels | None, Box | None]], heading: str | None = None
) -> "Figure":
    """Heat maps side by side, each over a picture, with the theoretical field as a dashed box.

    Args:
        panels: Title, gradient (height, width), a picture of the same size or None, the box or None.
        heading: Text above all.
    """
    from matplotlib.figure import Figure

    count = max(1, len(panels))
    figure = Figure(
        figsize=(3.2 * count, 3.5 + (0.3 if heading else 0.0)), dpi=DOTS_PER_INCH, layout="constrained",
        facecolor="white",
    )  # fmt: skip
    if heading:
        figure.suptitle(heading, fontsize=11, color=INK, parse_math=False)
    axes = figure.subplots(1, count, squeeze=False)[0]
    for axis, (title, gradient, picture, box) in zip(axes, panels, strict=False):
        _heat(axis, gradient, picture)
        if box is not None:
            _outline(axis, box, gradient.shape)
        axis.set_title(title, fontsize=9, color=INK, parse_math=False)
    return figure


def _heat(axis: "Axes", gradient: np.ndarray, picture: Pixels | None) -> None:
    # The root shows the flanks, which the square of a Gaussian's fall hides.
    shade = np.sqrt(gradient / max(float(gradient.max()), 1e-30))
    if picture is not None:
        grey = np.asarray(picture, dtype=float)
        axis.imshow(grey.mean(axis=2) if grey.ndim == 3 else grey, cmap="gray", vmin=0, vmax=255)
    axis.imshow(shade, cmap="inferno", vmin=0, vmax=1, alpha=None if picture is None else 0.25 + 0.65 * shade)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_color(RULE)


def _outline(axis: "Axes", box: Box, shape: tuple[int, ...]) -> None:
    from matplotlib.patches import Rectangle

    top, left, height, width = box
    top, bottom = max(top, -0.5), min(top + height, shape[0] - 0.5)
    left, right = max(left, -0.5), min(left + width, shape[1] - 0.5)
    axis.add_patch(
        Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=BLUE, linestyle="--", linewidth=1.6)
    )


def field_growth(networks: Mapping[str, Sequence[float]], parameters: Mapping[str, int] | None = None) -> "Figure":
    """Side of the receptive field over depth, a line a network, on a logarithmic scale.

    Args:
        networks: Name to the side after each convolution.
        parameters: Name to its number of parameters, written beside the name.
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
    axis.set_ylabel("receptive field, pixels", fontsize=9, color=GREY)
    axis.locator_params(axis="x", integer=True)
    axis.grid(color=RULE, linewidth=0.8)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(RULE)
    axis.tick_params(colors=GREY, labelsize=8, length=0)
    axis.legend(frameon=False, fontsize=8, labelcolor=INK)
    return figure
