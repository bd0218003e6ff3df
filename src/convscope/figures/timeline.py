"""Figure of the history of convolutional networks: multiply-adds, parameters and receptive fields."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from convscope.figures.classification import BLUE, DOTS_PER_INCH, GREY, INK, ORANGE, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

LARGEST_POINT = 1200.0  # square points
LARGE = 5e7  # multiply-adds; smaller networks, those before ImageNet, have a panel of their own


def draw_history(rows: Sequence[Mapping[str, Any]]) -> "Figure":
    """Return a figure of parameters over multiply-adds, both logarithmic.

    The area of a point grows with the receptive field, its colour with the year.

    Args:
        rows: With ``model``, ``year``, ``parameters``, ``multiply_adds`` and ``receptive_field``. Rows without a year
            are left out; a network whose receptive field is None is a small ring.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.figure import Figure

    shown = [row for row in rows if row["year"] is not None]
    figure = Figure(figsize=(11.0, 5.5), dpi=DOTS_PER_INCH, layout="constrained", facecolor="white")
    early, late = figure.subplots(1, 2, width_ratios=[1, 2.6])
    palette = LinearSegmentedColormap.from_list("years", [ORANGE, BLUE])
    years = Normalize(min(row["year"] for row in shown), max(row["year"] for row in shown))
    largest_field = max((row["receptive_field"] or 0 for row in shown), default=0) or 1
    for axis, title, part in (
        (early, "before ImageNet", [row for row in shown if row["multiply_adds"] < LARGE]),
        (late, "since ImageNet", [row for row in shown if row["multiply_adds"] >= LARGE]),
    ):
        for row in sorted(part, key=lambda row: -(row["receptive_field"] or 0)):
            field, colour = row["receptive_field"], palette(years(row["year"]))
            axis.scatter(
                row["multiply_adds"],
                row["parameters"],
                s=18 if field is None else 12 + LARGEST_POINT * field / largest_field,
                facecolor="none" if field is None else colour,
                edgecolor=colour if field is None else "white",
                linewidth=0.8,
                alpha=0.8,
            )
        _finish(axis, title)
    late.set_title("area of a point: receptive field", loc="right", fontsize=8, color=GREY)
    early.set_ylabel("parameters", color=GREY, fontsize=9)
    figure.draw_without_rendering()  # lays the axes out, so that positions are known in pixels
    renderer = FigureCanvasAgg(figure).get_renderer()
    for axis in (early, late):
        _label(axis, [row for row in shown if (row["multiply_adds"] >= LARGE) == (axis is late)], renderer)
    return figure


def _finish(axis: "Axes", title: str) -> None:
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.margins(0.16, 0.12)
    axis.set_xlabel("multiply-adds for one image", color=GREY, fontsize=9)
    axis.set_title(title, loc="left", fontsize=11, color=INK)
    axis.grid(color=RULE, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(RULE)
    axis.tick_params(colors=GREY, labelsize=8, length=0, which="both")


def _label(axis: "Axes", rows: Sequence[Mapping[str, Any]], renderer: "RendererAgg") -> None:
    """Write the name of each network as near to its point as possible without hiding another name, with a line."""
    from matplotlib.text import Text

    taken: list[Bbox] = []
    for row in sorted(rows, key=lambda row: -row["parameters"]):
        text = axis.annotate(
            f"{row['model']} {row['year']}",
            (row["multiply_adds"], row["parameters"]),
            textcoords="offset points",
            xytext=(0, 0),
            ha="center",
            va="center",
            fontsize=7.5,
            color=INK,
            parse_math=False,
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkA": 1, "shrinkB": 0},
        )
        half = Text.get_window_extent(text, renderer).width / 2 * 72 / DOTS_PER_INCH
        frame = axis.get_window_extent()
        for offset in _offsets(half):
            text.set_position(offset)
            text.update_positions(renderer)
            box = Text.get_window_extent(text, renderer).padded(2)  # of the text, without its line
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)


def _offsets(half: float) -> Iterator[tuple[float, float]]:
    """Yield offsets from a point, nearest first, in typographic points; ``half`` is half the width of the text."""
    for distance in (10, 18, 28, 40, 54, 70):
        for x, y in itertools.product((1, -1, 0), (0, 0.6, -0.6, 1, -1)):
            if x or abs(y) == 1:
                yield x * (half + distance), y * distance
