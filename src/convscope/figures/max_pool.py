"""Figure of the forward and backward pass of a max pooling."""

from typing import TYPE_CHECKING

import numpy as np

from convscope.figures import classification as figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def max_pool_figure(
    inputs: np.ndarray, output: np.ndarray, winners: np.ndarray, derivatives: np.ndarray, routed: np.ndarray
) -> "Figure":
    """Return a figure of four matrices: input with the maxima framed, output, and the derivatives of both.

    Args:
        inputs: (H, W).
        output: The maxima, (h, w).
        winners: Index ``row * W + column`` of the maximum of each window, (h, w).
        derivatives: Derivatives by the output, (h, w).
        routed: Derivatives by the input, (H, W).
    """
    figure = figures.new_figure(11.0, 3.2)
    axes = figure.subplots(1, 4, width_ratios=[inputs.shape[1], output.shape[1], output.shape[1], inputs.shape[1]])
    wins = np.bincount(winners.ravel(), minlength=inputs.size).reshape(inputs.shape)
    _matrix(axes[0], inputs, "input (framed: maximum of a window)", framed=wins > 0)
    _matrix(axes[1], output, "forward")
    _matrix(axes[2], derivatives, "derivatives of the output")
    _matrix(axes[3], routed, "derivatives of the input", framed=wins > 0, shaded=True)
    return figure


def _matrix(
    axis: "Axes", values: np.ndarray, title: str, *, framed: np.ndarray | None = None, shaded: bool = False
) -> None:
    from matplotlib.patches import Rectangle

    strongest = max(float(np.abs(values).max()), 1e-12)
    shown = np.abs(values) / strongest if shaded else np.zeros_like(values, dtype=float)
    axis.imshow(shown, cmap="Blues", vmin=0, vmax=1.6, interpolation="nearest")
    axis.set_title(title, fontsize=9, color=figures.INK, loc="left")
    axis.set_xticks(np.arange(-0.5, values.shape[1]), [])
    axis.set_yticks(np.arange(-0.5, values.shape[0]), [])
    axis.grid(color=figures.RULE, linewidth=1.0)
    axis.tick_params(length=0)
    axis.spines[:].set_color(figures.RULE)
    size = 12 if max(values.shape) <= 6 else 8 if max(values.shape) <= 12 else 5
    for row, column in np.ndindex(*values.shape):
        zero = shaded and values[row, column] == 0
        axis.text(
            column, row, f"{values[row, column]:g}", ha="center", va="center", fontsize=size,
            color=figures.GREY if zero else figures.INK,
        )  # fmt: skip
        if framed is not None and framed[row, column]:
            box = Rectangle((column - 0.45, row - 0.45), 0.9, 0.9, fill=False, edgecolor=figures.RED, linewidth=1.8)
            axis.add_patch(box)
