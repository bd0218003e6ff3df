"""Renders the templates of the reports, with style, script and charting library inline: a page needs no other file."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader
from markupsafe import Markup

from convscope.reports.charting import compressed_bokeh_js
from convscope.reports.tables import grouped


def render(name: str, content: Mapping[str, Any]) -> str:
    """Return the page of template ``name``; everything in ``content`` is escaped."""
    return str(_environment().get_template(name).render(content))


@cache
def _environment() -> Any:
    """Return Jinja's environment with the globals that all templates use."""
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=FunctionLoader(_source))
    environment.policies["json.dumps_kwargs"] = {}  # keys are not sorted: Bokeh resolves references in their order
    environment.globals |= {
        "style": Markup(_source("page.css")),
        "script": Markup(_source("page.js")),
        "bokeh": compressed_bokeh_js,
        "grouped": grouped,
    }
    return environment


def _source(name: str) -> str:
    """Return the text of a file of this package."""
    return resources.files("convscope.reports").joinpath(name).read_text(encoding="utf-8")
