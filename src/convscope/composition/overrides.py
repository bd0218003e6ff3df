"""Writes values in the grammar of overrides."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException


def quote_value(value: str) -> str:
    """Return ``value`` as a quoted string of Hydra's grammar, in which a backslash escapes only before a quote."""
    escaped = re.sub(r"(\\*)('|$)", lambda match: match[1] * 2 + ("\\'" if match[2] else ""), value)
    return f"'{escaped}'"


def quote_override(argument: str) -> str:
    """Return ``argument``, its value in quotes if Hydra cannot parse it without, as for a path with an ``ä``."""
    key, equals, value = argument.partition("=")
    if not equals or argument.startswith("-"):
        return argument
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return f"{key}={quote_value(value)}"
    return argument


def values_as_overrides(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted keys and the values of a nested mapping, the values in Hydra's grammar."""
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from values_as_overrides(value, f"{prefix}{key}.")
        else:
            yield prefix + key, _literal(value)


def _literal(value: Any) -> str:
    """Return a scalar or a list in Hydra's grammar."""
    if isinstance(value, str):
        return quote_value(value)
    if isinstance(value, list):
        return f"[{','.join(map(_literal, value))}]"
    return "null" if value is None else str(value).lower()
