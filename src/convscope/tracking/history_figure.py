"""The history of convolutional networks as a picture: what they cost, what they hold, how far they see."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from convscope.tracking.figures import BLUE, DOTS_PER_INCH, GREY, INK, ORANGE, RULE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST_POINT = 900.0  # square points


def draw_history(rows: Sequence[Mapping[str, Any]]) -> "Figure":
    """Parameters against multiply-adds, both logarithmic; the area of a point is its receptive field.

    Args:
        rows: With ``model``, ``year``, ``parameters``, ``multiply_adds`` and ``receptive_field``; rows without a year
            are left out, a network without a field is a small ring.
    """
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.figure import Figure

    shown = [row for row in rows if row["year"] is not None]
    figure = Figure(figsize=(9.0, 6.0), dpi=DOTS_PER_INCH, layout="constrained", facecolor="white")
    axis = figure.subplots()
    years = [row["year"] for row in shown]
    colours = LinearSegmentedColormap.from_list("years", [ORANGE, BLUE])
    norm = Normalize(min(years), max(years))
    most = max((row["receptive_field"] or 0 for row in shown), default=0) or 1
    for row in sorted(shown, key=lambda row: -(row["receptive_field"] or 0)):
        field = row["receptive_field"]
        axis.scatter(
            row["multiply_adds"],
            row["parameters"],
            s=18 if field is None else 12 + LARGEST_POINT * field / most,
            facecolor="none" if field is None else colours(norm(row["year"])),
            edgecolor=colours(norm(row["year"])) if field is None else "white",
            linewidth=0.8,
            alpha=0.85,
        )
        axis.annotate(
            f"{row['model']} {row['year']}",
            (row["multiply_adds"], row["parameters"]),
            textcoords="offset points",
            xytext=(5, 4),
            fontsize=7,
            color=INK,
            parse_math=False,
        )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("multiply-adds for one picture", color=GREY, fontsize=9)
    axis.set_ylabel("parameters", color=GREY, fontsize=9)
    axis.set_title("area of a point: receptive field", loc="right", fontsize=8, color=GREY)
    axis.grid(color=RULE, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(RULE)
    axis.tick_params(colors=GREY, labelsize=8, length=0, which="both")
    return figure
