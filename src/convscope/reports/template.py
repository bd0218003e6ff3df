"""From content to a page that stands alone: its style, its script and the charting library inside it."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader
from markupsafe import Markup

from convscope.reports.charting import inlined_bokeh
from convscope.reports.tables import grouped


def render(name: str, content: Mapping[str, Any]) -> str:
    """The page of template ``name``; everything in ``content`` is escaped."""
    return str(_environment().get_template(name).render(content))


@cache
def _environment() -> Any:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=FunctionLoader(_source))
    environment.policies["json.dumps_kwargs"] = {}  # no sorting: Bokeh refers to what stands above
    environment.globals |= {
        "style": Markup(_source("page.css")),
        "script": Markup(_source("page.js")),
        "bokeh": inlined_bokeh,
        "grouped": grouped,
    }
    return environment


def _source(name: str) -> str:
    return resources.files("convscope.reports").joinpath(name).read_text(encoding="utf-8")
