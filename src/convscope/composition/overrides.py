"""Separates overrides from Hydra's options on the command line, and writes values in the grammar of overrides."""

import argparse
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from convscope.composition.jobs import ParsedOverride, parse_overrides
from convscope.errors import UserError


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


def multirun_overrides(arguments: Sequence[str]) -> list[ParsedOverride] | None:
    """Return the parsed overrides of a multirun; None if ``arguments`` have no ``--multirun``."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--multirun", "-m", action="store_true")
    known, _ = parser.parse_known_args(arguments)
    return parse_overrides(overrides_in(arguments)) if known.multirun else None


def refuse_other_primary(arguments: Sequence[str]) -> None:
    """Refuse another primary configuration in a multirun, whose jobs are composed from the command's own.

    Raises:
        UserError: ``arguments`` name one.
    """
    for argument in arguments:
        option = argument.split("=")[0]
        if option in ("--config-name", "-cn", "--config-path", "-cp"):
            raise UserError(f"{option}: has no effect with --multirun; write --config-dir FOLDER experiment=NAME")


def asks_hydra_to_print(arguments: Sequence[str]) -> bool:
    """Return whether ``arguments`` make Hydra print something and run nothing, as ``--cfg job`` does."""
    running = ("--multirun", "-m", "--config-dir", "-cd")
    return any(argument.startswith("-") and argument.split("=")[0] not in running for argument in arguments)


def overrides_in(arguments: Sequence[str]) -> list[str]:
    """Return the overrides among ``arguments``, without Hydra's options and their values."""
    parser = argparse.ArgumentParser(add_help=False)
    for option in (("--config-dir", "-cd"), ("--config-name", "-cn"), ("--config-path", "-cp")):
        parser.add_argument(*option)
    _, rest = parser.parse_known_args(arguments)
    return [argument for argument in rest if not argument.startswith("-")]


def config_dir(arguments: Sequence[str]) -> str | None:
    """Return the absolute path of the folder of the user's own options; None if ``arguments`` name none."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config-dir", "-cd")
    folder = parser.parse_known_args(arguments)[0].config_dir
    return None if folder is None else os.path.abspath(folder)


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
