"""Figures of a hyperparameter search: the metric of each trial, and the importance of each key."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from convscope.figures.classification import BLUE, DOTS_PER_INCH, GREY, INK, ORANGE, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def search_history(
    complete: Sequence[tuple[int, float]], pruned: Sequence[tuple[int, float]], metric: str, *, lowest: bool
) -> "Figure":
    """Return a figure with a dot for each completed trial, a cross for each pruned one, and a line of the best so far.

    Args:
        complete: Number and value of each completed trial, in their order.
        pruned: Number of each pruned trial, and its value after its last epoch.
        metric: Name of the metric.
        lowest: Whether lower values are better.
    """
    from matplotlib.ticker import MaxNLocator

    figure = _figure(7.2, 3.6)
    axis = figure.subplots()
    if complete:
        numbers, values = zip(*complete, strict=True)
        best = [(min if lowest else max)(values[: index + 1]) for index in range(len(values))]
        axis.step(numbers, best, where="post", color=ORANGE, linewidth=1.6, label="best so far")
        axis.scatter(numbers, values, s=26, color=BLUE, zorder=3, label="trial")
    if pruned:
        numbers, values = zip(*pruned, strict=True)
        axis.scatter(numbers, values, s=24, marker="x", color=GREY, zorder=3, label="pruned")
    if complete or pruned:
        axis.legend(frameon=False, fontsize=8, labelcolor=INK)
    axis.set_xlabel("trial", color=GREY, fontsize=9)
    axis.set_title(metric, loc="left", fontsize=11, color=INK)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    _finish(axis)
    return figure


def importance_figure(shares: Mapping[str, float], metric: str) -> "Figure":
    """Return a bar chart of the importance of each key for good trials (PED-ANOVA, Watanabe et al. 2023).

    Args:
        shares: Importance by key; they add up to 1.
        metric: Name of the metric.
    """
    figure = _figure(7.2, 1.2 + 0.34 * len(shares))
    axis = figure.subplots()
    ordered = sorted(shares.items(), key=lambda item: item[1])
    keys, values = [key for key, _ in ordered], [share for _, share in ordered]
    bars = axis.barh(range(len(keys)), values, color=BLUE, height=0.62)
    axis.bar_label(bars, [f"{value:.0%}" for value in values], padding=4, fontsize=8, color=INK)
    axis.set_yticks(range(len(keys)), keys, parse_math=False)
    axis.set_xlim(0, max([*values, 0.1]) * 1.12)
    axis.set_title(f"what {metric} depends on", loc="left", fontsize=11, color=INK)
    _finish(axis)
    axis.tick_params(axis="y", labelsize=9, labelcolor=INK)
    return figure


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained", facecolor="white")


def _finish(axis: "Axes") -> None:
    axis.grid(color=RULE, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(RULE)
    axis.tick_params(colors=GREY, labelsize=8, length=0)
