"""Bokeh charts for a page: its script, compressed, and charts whose colours the page's script sets."""

import base64
import gzip
from functools import cache
from importlib import resources
from typing import Any

from bokeh.embed import json_item
from bokeh.models import HoverTool, Plot
from bokeh.plotting import figure

BLUE, ORANGE, GREEN, RED, GREY = "#2b8cc4", "#e69f00", "#14a37f", "#d5673b", "#7d8796"  # legible on black and on white
SERIES = (BLUE, ORANGE, GREEN, RED, "#b06fb0", "#56b4e9", "#8c7a3d", GREY)
NEUTRAL = "#7d8796"  # until the page's script sets the page's own colours


@cache
def compressed_bokeh_js() -> str:
    """Return BokehJS as base64 of gzip, 0.47 MB instead of 1.27 MB in the page; the browser unpacks it."""
    script = resources.files("bokeh").joinpath("server/static/js/bokeh.min.js").read_bytes()
    return base64.b64encode(gzip.compress(script, 9, mtime=0)).decode()


def chart(height: int = 260, **options: Any) -> figure:
    """Return an empty chart as wide as its container, without the toolbar's logo, that zooms along x.

    Args:
        height: Height in pixels.
        options: Further arguments of `bokeh.plotting.figure`.
    """
    plot = figure(
        height=height,
        sizing_mode="stretch_width",
        tools=options.pop("tools", "xbox_zoom,reset"),
        toolbar_location=options.pop("toolbar_location", "above"),
        toolbar_inner=True,
        min_border_left=10,
        **options,
    )
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.background_fill_color = None
    plot.border_fill_color = None
    plot.outline_line_color = None
    for axis in plot.axis:
        axis.axis_line_color = None
        axis.major_tick_line_color = None
        axis.minor_tick_line_color = None
        axis.major_label_text_color = NEUTRAL
        axis.axis_label_text_color = NEUTRAL
        axis.axis_label_text_font_style = "normal"
    plot.xgrid.grid_line_color = None
    plot.ygrid.grid_line_alpha = 0.25
    plot.ygrid.grid_line_color = NEUTRAL
    return plot


def add_tooltips(plot: figure, tooltips: list[tuple[str, str]], **options: Any) -> None:
    """Show tooltips at the pointer.

    Args:
        plot: The chart, which is changed.
        tooltips: Label and Bokeh template of each line of the tooltip.
        options: Further arguments of `bokeh.models.HoverTool`.
    """
    plot.add_tools(HoverTool(tooltips=tooltips, **options))


def escape_tex(text: str) -> str:
    """Return ``text`` so that Bokeh does not take it for TeX, for which it would load MathJax from a server."""
    for mark in ("$$", "\\(", "\\["):
        text = text.replace(mark, f"{mark[0]}\u200b{mark[1]}")
    return text


def bokeh_item(plot: Plot) -> dict[str, Any]:
    """Return the chart as the JSON item that the page's script embeds."""
    item: dict[str, Any] = dict(json_item(plot))
    return item
