"""Bokeh inside a page: its script, small, and charts that take their colours from the page."""

import base64
import gzip
from functools import cache
from importlib import resources
from typing import Any

from bokeh.embed import json_item
from bokeh.models import HoverTool, Plot
from bokeh.plotting import figure

BLUE, ORANGE, GREEN, RED, GREY = "#2b8cc4", "#e69f00", "#14a37f", "#d5673b", "#7d8796"  # seen on black and on white
SERIES = (BLUE, ORANGE, GREEN, RED, "#b06fb0", "#56b4e9", "#8c7a3d", GREY)
NEUTRAL = "#7d8796"  # until the page has told its own


@cache
def inlined_bokeh() -> str:
    """BokehJS as base64 of gzip: 0.47 MB in the page instead of 1.27; the browser unpacks it."""
    script = resources.files("bokeh").joinpath("server/static/js/bokeh.min.js").read_bytes()
    return base64.b64encode(gzip.compress(script, 9, mtime=0)).decode()


def chart(height: int = 260, **options: Any) -> figure:
    """An empty chart as wide as its place, without a toolbar's logo, and with zooming along x."""
    made = figure(
        height=height,
        sizing_mode="stretch_width",
        tools=options.pop("tools", "xbox_zoom,reset"),
        toolbar_location=options.pop("toolbar_location", "above"),
        toolbar_inner=True,
        min_border_left=10,
        **options,
    )
    made.toolbar.logo = None
    made.toolbar.autohide = True
    made.background_fill_color = None
    made.border_fill_color = None
    made.outline_line_color = None
    for axis in made.axis:
        axis.axis_line_color = None
        axis.major_tick_line_color = None
        axis.minor_tick_line_color = None
        axis.major_label_text_color = NEUTRAL
        axis.axis_label_text_color = NEUTRAL
        axis.axis_label_text_font_style = "normal"
    made.xgrid.grid_line_color = None
    made.ygrid.grid_line_alpha = 0.25
    made.ygrid.grid_line_color = NEUTRAL
    return made


def add_tooltips(made: figure, tooltips: list[tuple[str, str]], **options: Any) -> None:
    """What is said where the pointer stands."""
    made.add_tools(HoverTool(tooltips=tooltips, **options))


def plain(text: str) -> str:
    """``text`` so that Bokeh does not take it for TeX, for which it would ask a server for MathJax."""
    for mark in ("$$", "\\(", "\\["):
        text = text.replace(mark, f"{mark[0]}\u200b{mark[1]}")
    return text


def bokeh_item(made: Plot) -> dict[str, Any]:
    """The chart as the page's script takes it."""
    item: dict[str, Any] = dict(json_item(made))
    return item
