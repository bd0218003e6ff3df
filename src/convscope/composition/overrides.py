"""Writes values in the grammar of overrides."""

import re

from hydra.errors import HydraException

from convscope.composition.hydra_internals import parse_override


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
        parse_override(argument)
    except HydraException:
        return f"{key}={quote_value(value)}"
    return argument
