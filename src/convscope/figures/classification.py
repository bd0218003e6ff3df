"""Figures of a classification run: learning curves and confusion matrix, drawn without pyplot's global state.

The colours are those of Okabe and Ito, which people with any colour vision can tell apart.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from convscope.figures import curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTS_PER_INCH = 150
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#6B7280"
INK, RULE = "#1F2937", "#E5E7EB"
SERIES = {"train": BLUE, "validation": ORANGE}
MAX_CLASSES_WITH_TEXT = 20  # classes
MAX_CLASS_LABELS = 60

Pixels = np.ndarray
"""One image: uint8 of shape (height, width, 3), (height, width, 1) or (height, width)."""


def learning_curves(rows: Sequence[Mapping[str, float]], kept_epoch: int | None = None) -> "Figure":
    """Return a figure with one panel per metric (loss, accuracy, then others): training and validation curves.

    The x-axis counts epochs if each curve has at most one value per epoch, else optimizer steps. In every panel, a
    ring and a title mark the validation value of the epoch whose weights are kept, whatever metric selected it.

    Args:
        rows: As :func:`convscope.runs.metrics_csv.read_metrics` gives them, oldest first.
        kept_epoch: The epoch whose weights are kept, counted from 1. If it is None, nothing is ringed, and the title of
            each panel is its best validation value.
    """
    metrics = curves.panels(rows)
    width = 3.6 * max(1, min(len(metrics), 2))
    lines = max(1, math.ceil(len(metrics) / 2))
    figure = new_figure(width, 2.8 * lines, layout=None)
    if not metrics:
        _note(figure, "No training or validation scalars were logged.")
        return figure
    # Fixed margins in inches that the labels fit into: measuring the labels takes as long as drawing the figure.
    figure.subplots_adjust(
        left=0.6 / width, right=1 - 0.15 / width, bottom=0.5 / (2.8 * lines), top=1 - 0.35 / (2.8 * lines),
        wspace=0.25, hspace=0.4,
    )  # fmt: skip
    axes = figure.subplots(lines, min(len(metrics), 2), squeeze=False).ravel()
    by_epoch = curves.counted_in_epochs(rows, metrics)
    for axis, metric in zip(axes, metrics, strict=False):
        _curve_panel(axis, rows, metric, kept_epoch, by_epoch=by_epoch)
    for axis in axes[len(metrics) :]:
        axis.set_axis_off()
    return figure


def confusion_matrix(counts: Any, classes: Sequence[str]) -> "Figure":
    """Return a confusion matrix with a row for each true class and a column for each predicted class.

    The shade of a cell is its share of the row, so that small classes are visible too. With up to 20 classes, each cell
    has its count and its share in percent; with more, only colour. With more than 60 classes, only every few classes
    have a label.

    Args:
        counts: Numbers of shape (K, K); row: true class, column: predicted class.
        classes: Names of the K classes.

    Raises:
        ValueError: The shape of ``counts`` is not (K, K).
    """
    matrix = np.asarray(counts, dtype=float)
    k = len(classes)
    if matrix.shape != (k, k):
        raise ValueError(f"confusion matrix of shape {matrix.shape} for {k} classes")
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros_like(matrix), where=totals > 0)

    size = min(2.2 + (1.2 if k <= 4 else 0.62) * k, 9.5)
    figure = new_figure(size + 0.9, size, layout="compressed")
    axis = figure.subplots()
    image = axis.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, interpolation="nearest")
    label_interval = math.ceil(k / MAX_CLASS_LABELS)
    ticks = range(0, k, label_interval)
    labels = [_shortened(classes[tick]) for tick in ticks]
    font_size = 9 if k <= 12 else 7 if k <= 30 else 5
    horizontal = k <= 4 and max(map(len, labels), default=0) <= 15
    axis.set_xticks(ticks, labels, fontsize=font_size, parse_math=False, rotation=0 if horizontal else 90)
    axis.set_yticks(ticks, labels, fontsize=font_size, parse_math=False)
    axis.set_xlabel("predicted", color=INK)
    axis.set_ylabel("true", color=INK)
    axis.tick_params(length=0, colors=INK)
    axis.spines[:].set_visible(False)
    if k <= MAX_CLASSES_WITH_TEXT:
        for row, column in np.ndindex(k, k):
            if not matrix[row, column]:
                continue
            axis.text(
                column,
                row,
                f"{matrix[row, column]:.0f}\n{shares[row, column]:.0%}",
                ha="center",
                va="center",
                fontsize=10 if k <= 6 else 7 if k <= 14 else 5.5,
                color="white" if shares[row, column] > 0.55 else INK,
            )
    bar = figure.colorbar(image, ax=axis, fraction=0.04, pad=0.02, format=lambda share, _: f"{share:.0%}")
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8, colors=GREY)
    bar.set_label("share of the true class", color=GREY, fontsize=8)
    return figure


def new_figure(
    width: float, height: float, layout: Literal["constrained", "compressed"] | None = "constrained"
) -> "Figure":
    """Return an empty white figure.

    Args:
        width: In inches.
        height: In inches.
        layout: Matplotlib's layout engine; ``compressed`` is for axes of fixed aspect, None switches it off.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout=layout, facecolor="white")


def _curve_panel(
    axis: "Axes", rows: Sequence[Mapping[str, float]], metric: str, kept_epoch: int | None, *, by_epoch: bool
) -> None:
    for split, color in SERIES.items():
        name = f"{split}/{metric}"
        points = curves.points(rows, name, by_epoch=by_epoch)
        if not points:
            continue
        x, y = zip(*points, strict=True)
        few = len(points) <= 30
        axis.plot(x, y, color=color, linewidth=1.8, marker="o" if few else None, markersize=3.5, label=split)
        ring = curves.point_of_epoch(rows, name, kept_epoch, by_epoch=by_epoch) if split == "validation" else None
        if ring is not None:
            axis.plot(*ring, "o", markersize=9, markerfacecolor="none", markeredgecolor=RED)
            axis.set_title(f"epoch {kept_epoch}, kept: {ring[1]:.4g}", loc="right", fontsize=8, color=RED)
        elif split == "validation" and kept_epoch is None:
            axis.set_title(f"best {y[curves.index_of_best(metric, y)]:.4g}", loc="right", fontsize=8, color=RED)
    axis.set_title(metric.replace("_", " "), loc="left", fontsize=11, color=INK, parse_math=False)
    axis.set_xlabel("epoch" if by_epoch else "step", fontsize=9, color=GREY)
    axis.locator_params(axis="x", integer=True)
    axis.grid(color=RULE, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(RULE)
    axis.tick_params(colors=GREY, labelsize=8, length=0)
    axis.legend(frameon=False, fontsize=8, labelcolor=INK)


def _note(figure: "Figure", text: str) -> None:
    figure.text(0.5, 0.5, text, ha="center", va="center", color=GREY, fontsize=9)


def _shortened(name: str, max_length: int = 22) -> str:
    return name if len(name) <= max_length else name[: max_length - 1] + "…"
