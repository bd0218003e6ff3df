"""Parses the command line of a command: its overrides, and the options of Hydra's own."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hydra._internal.utils import get_args_parser

from convscope.composition.command import Command
from convscope.composition.compose import CONFIG_DIR
from convscope.composition.overrides import quote_override
from convscope.composition.own_options import allow_own_keys
from convscope.errors import UserError
from convscope.masking import hide


@dataclass(frozen=True)
class CommandLine:
    """The command line of a command.

    Attributes:
        overrides: The overrides, in the order typed.
        multirun: Whether to run every combination of their values.
        config_dir: Absolute path of the folder of the user's own options; None if none is given.
        other_options: Names of the other options of Hydra that are given, such as ``help``, ``cfg`` or ``config_name``.
    """

    overrides: tuple[str, ...]
    multirun: bool
    config_dir: str | None
    other_options: frozenset[str]


def prepare_command_line(command: Command, arguments: Sequence[str]) -> list[str]:
    """Hide the secrets in ``arguments``, let ``command`` translate its own, and quote the values that need it.

    Raises:
        UserError: The command refuses an argument.
    """
    prepare: Callable[[list[str]], list[str]] = getattr(command, "prepare_arguments", list)
    prepared = allow_own_keys(prepare([hide(argument) for argument in arguments]), CONFIG_DIR)
    return [quote_override(argument) for argument in prepared]


def parse_command_line(arguments: Sequence[str]) -> CommandLine:
    """Parse ``arguments`` with Hydra's own parser; overrides may also stand between the options.

    Raises:
        SystemExit: Hydra has no such option, or an option lacks its value.
    """
    given = {name: value for name, value in vars(get_args_parser().parse_intermixed_args(arguments)).items() if value}
    folder = given.pop("config_dir", None)
    return CommandLine(
        overrides=tuple(given.pop("overrides", ())),
        multirun=given.pop("multirun", False),
        config_dir=None if folder is None else os.path.abspath(folder),
        other_options=frozenset(given),
    )


def refuse_incomplete_options(line: CommandLine) -> None:
    """Refuse options that Hydra takes only with others, or without, and would ignore or answer with a traceback.

    Raises:
        UserError: The command line has such an option.
    """
    options = line.other_options
    if "resolve" in options and not options & {"cfg", "help"}:
        raise UserError("--resolve: goes with --cfg job, which prints the configuration")
    if "package" in options and "cfg" not in options:
        raise UserError("--package: goes with --cfg job, which prints that part of the configuration")
    if "experimental_rerun" in options:  # it unpickles a file
        raise UserError("--experimental-rerun: is not supported; convscope train resume=PATH goes on with a run")
    if "shell_completion" in options and not any(
        override.startswith(("install=", "uninstall=", "query=")) for override in line.overrides
    ):
        raise UserError("--shell-completion: needs install=SHELL or uninstall=SHELL, as in install=bash")
    alone = sorted(options & {"run", "cfg", "info", "shell_completion"})
    if len(alone) > 1:
        raise UserError(f"--{alone[0]} and --{alone[1].replace('_', '-')}: give one of the two")


def refuse_with_multirun(line: CommandLine) -> None:
    """Refuse options of Hydra in a multirun: its jobs are composed from the command's own primary configuration.

    Raises:
        UserError: The command line has such an option.
    """
    for name in sorted(line.other_options):
        primary = name in ("config_name", "config_path")
        instead = "write --config-dir FOLDER experiment=NAME" if primary else "leave one of the two out"
        raise UserError(f"--{name.replace('_', '-')}: has no effect with --multirun; {instead}")
